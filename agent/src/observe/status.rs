//! The status page: what is collected and how far, never what it says.

use std::fmt::Write;

use super::snapshot::{Snapshot, VERSION};
use super::table::bytes;

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2em;max-width:90em}\
table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:left;\
border-bottom:1px solid #8884}.n{text-align:right;font-variant-numeric:tabular-nums}\
.bad{color:#b00}";

/// More rows make no page that anybody reads; the control socket has them all.
const ROWS_MAX: usize = 1_000;

/// Without a snapshot the page says so: a worker is stuck, or the agent stops.
pub(super) fn page(snapshot: Option<&Snapshot>, ready: bool) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, snapshot, ready);
    page
}

fn write_page(
    page: &mut String,
    snapshot: Option<&Snapshot>,
    ready: bool,
) -> Result<(), std::fmt::Error> {
    write!(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8><title>sluice</title>\
         <style>{STYLE}</style><h1>sluice {VERSION}</h1>"
    )?;
    let ready = if ready { "started" } else { "starting" };
    let Some(Snapshot { node, output, containers, positions: _, mounts: _ }) = snapshot else {
        return write!(page, "<p>{ready}; <b class=bad>the workers do not answer</b>");
    };
    write!(
        page,
        "<p>node <b>{}</b>, {ready}; output {}: <b>{}</b>",
        escape(node),
        escape(&output.kind),
        escape(&output.state)
    )?;
    if let Some(fault) = &output.fault {
        write!(page, " <span class=bad>{}</span>", escape(fault))?;
    }
    for paused in &output.paused {
        write!(page, "<p class=bad>paused: {} ({})", escape(&paused.index), escape(&paused.cause))?;
    }
    page.push_str(
        "<table><tr><th>container<th>id<th>image<th>state<th>driver<th>target\
         <th class=n>per second<th class=n>lag<th>not collected because\
         <th>also writes, not collected",
    );
    for row in containers.iter().take(ROWS_MAX) {
        write!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td class=n>{}<td class=n>{}<td>{}<td>{}",
            escape(&row.name),
            escape(row.id.get(..12).unwrap_or(&row.id)),
            escape(&row.image),
            escape(&row.state),
            escape(&row.driver),
            escape(row.target.as_deref().unwrap_or_default()),
            bytes(row.bytes_per_second),
            bytes(row.lag_bytes),
            escape(row.reason.as_deref().unwrap_or_default()),
            escape(&row.suggestion().unwrap_or_default()),
        )?;
    }
    page.push_str("</table>");
    if containers.len() > ROWS_MAX {
        write!(page, "<p>and {} more", containers.len() - ROWS_MAX)?;
    }
    page.push_str("<p><a href=/metrics>metrics</a>");
    Ok(())
}

/// Names and images are whatever a tenant chose.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::ContainerView;
    use super::*;

    #[test]
    fn names_cannot_leave_their_cell() {
        let row = ContainerView { name: "<script>\"'&".into(), ..ContainerView::default() };
        let snapshot = Snapshot { containers: vec![row], ..Snapshot::default() };
        let page = page(Some(&snapshot), true);
        assert!(page.contains("<td>&lt;script&gt;&quot;&#39;&amp;<td>"), "{page}");
    }

    #[test]
    fn a_stuck_agent_still_has_a_page() {
        assert!(page(None, true).contains("do not answer"));
    }
}
