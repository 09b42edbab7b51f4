//! The views as aligned text.

use super::snapshot::{ContainerView, PositionView};

/// `sluice containers`.
pub fn containers_table(rows: &[ContainerView]) -> String {
    let head = ["CONTAINER", "ID", "IMAGE", "STATE", "TARGET", "RATE", "LAG", "COLLECTED"];
    let body = rows.iter().map(|row| {
        [
            row.name.clone(),
            row.id.get(..12).unwrap_or(&row.id).to_owned(),
            row.image.clone(),
            row.state.clone(),
            row.target.clone().unwrap_or_else(|| "-".to_owned()),
            format!("{}/s", bytes(row.bytes_per_second)),
            bytes(row.lag_bytes),
            match (&row.reason, row.collected) {
                (_, true) => "yes".to_owned(),
                (Some(reason), false) => format!("no: {reason}"),
                (None, false) => "no".to_owned(),
            },
        ]
    });
    let mut table = aligned(head, body, &[5, 6]);
    for row in rows {
        if let Some(paths) = row.suggestion() {
            let line = format!(
                "{} also writes {paths}; collect with `collect.files: discovered`",
                row.name
            );
            table.push_str(&printable(line));
            table.push('\n');
        }
    }
    table
}

/// `sluice positions`.
pub fn positions_table(rows: &[PositionView]) -> String {
    let head =
        ["CONTAINER", "FILE", "INODE", "FRONTIER", "READ", "SIZE", "LAG", "RATE", "WAITS FOR"];
    let body = rows.iter().map(|row| {
        [
            row.container.clone(),
            short(&row.file),
            row.inode.to_string(),
            row.frontier.to_string(),
            row.read.to_string(),
            row.size.to_string(),
            bytes(row.lag_bytes()),
            format!("{}/s", bytes(row.bytes_per_second)),
            row.waits_for.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    aligned(head, body, &[2, 3, 4, 5, 6, 7])
}

/// A name that begins with a container's id, less most of it.
fn short(file: &str) -> String {
    let digits = file.bytes().take_while(u8::is_ascii_hexdigit).count();
    if digits < 64 { file.to_owned() } else { format!("{}…{}", &file[..12], &file[digits..]) }
}

/// A count of bytes for people: three digits and a unit.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut size = count as f64 / 1024.0;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    // What would be shown as 1000 or more has a larger unit.
    while size >= 999.5 {
        let Some(larger) = units.next() else { break };
        (size, unit) = (size / 1024.0, larger);
    }
    match size {
        ..9.995 => format!("{size:.2} {unit}"),
        ..99.95 => format!("{size:.1} {unit}"),
        _ => format!("{size:.0} {unit}"),
    }
}

/// Columns as wide as their widest cell, two blanks between; those in `right` end together.
pub fn aligned<const N: usize>(
    head: [&str; N],
    body: impl Iterator<Item = [String; N]>,
    right: &[usize],
) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned))
        .chain(body)
        .map(|row| row.map(printable))
        .collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let padding = " ".repeat(widths[column] - cell.chars().count());
            let (before, after) =
                if right.contains(&column) { (padding.as_str(), "") } else { ("", &*padding) };
            line.push_str(before);
            line.push_str(cell);
            line.push_str(after);
            line.push_str("  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A tenant's name must not steer the terminal of whoever looks.
pub(super) fn printable(cell: String) -> String {
    if !cell.contains(char::is_control) {
        return cell;
    }
    cell.chars().map(|shown| if shown.is_control() { '\u{fffd}' } else { shown }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let check = |count: u64, expected: &str| assert_eq!(bytes(count), expected);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1.00 KiB");
        check(10_230, "9.99 KiB");
        check(15 << 10, "15.0 KiB");
        check(150 << 10, "150 KiB");
        check(1_023 << 10, "1.00 MiB");
        check(5 << 30, "5.00 GiB");
        check(u64::MAX, "16384 PiB");
    }

    #[test]
    fn ids_are_short() {
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(short(&format!("{id}-json.log.1")), "0123456789ab…-json.log.1");
        assert_eq!(short("abc.log"), "abc.log");
    }

    #[test]
    fn columns_are_aligned() {
        let row = |name: &str, lag: u64, reason: Option<&str>| ContainerView {
            id: "0123456789abcdef".into(),
            name: name.into(),
            image: "nginx".into(),
            state: "running".into(),
            target: Some("sluice".into()),
            lag_bytes: lag,
            collected: reason.is_none(),
            reason: reason.map(str::to_owned),
            ..ContainerView::default()
        };
        let rows = [row("web", 5 << 20, None), row("a\u{1b}b", 0, Some("its driver is `local`"))];
        let expected = "\
CONTAINER  ID            IMAGE  STATE    TARGET  RATE       LAG  COLLECTED
web        0123456789ab  nginx  running  sluice  0 B/s  5.00 MiB  yes
";
        let table = containers_table(&rows);
        assert_eq!(table.lines().count(), 3);
        assert!(
            table
                .lines()
                .nth(1)
                .is_some_and(|line| line == expected.lines().nth(1).unwrap_or_default()),
            "{table}"
        );
        assert!(table.contains("a\u{fffd}b"), "{table}");
        assert!(table.ends_with("no: its driver is `local`\n"), "{table}");
        assert_eq!(positions_table(&[]).lines().count(), 1);
    }
}
