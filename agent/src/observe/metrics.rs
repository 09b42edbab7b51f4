//! The one place that knows every metric: each room names its own figures, and here they come
//! together under `sluice_`, beside those of the process and those per source.

use std::fmt::{self, Write};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::process::Process;
use super::snapshot::{PositionView, Snapshot, VERSION};
use crate::worker::WorkerCounters;
use crate::{checkpoint, discover, ship, watch};

/// What every room counts. Cloned counters share their figures, so references are enough.
#[derive(Clone, Copy, Debug)]
pub struct Rooms<'a> {
    pub discover: &'a discover::Counters,
    pub watch: &'a watch::Counters,
    pub worker: &'a WorkerCounters,
    pub ship: &'a ship::Counters,
    pub checkpoint: &'a checkpoint::CommitterCounters,
    pub log: &'a super::log::Counters,
}

/// An empty registry for [`register`] and [`page`].
pub fn registry() -> Registry {
    Registry::default()
}

/// Names everything that is counted.
pub fn register(registry: &mut Registry, rooms: &Rooms<'_>) {
    // In full, so that a room that begins to count breaks the build here.
    let Rooms { discover, watch, worker, ship, checkpoint, log } = *rooms;
    register_process(registry);
    let own = registry.sub_registry_with_prefix("sluice");
    discover.register(own);
    watch.register(own);
    register_worker(own, worker);
    register_ship(own, ship);
    own.register(
        "checkpoint_commits",
        "Transactions of the store that are on disk",
        checkpoint.commits.clone(),
    );
    own.register(
        "checkpoint_failures",
        "Transactions of the store that failed and were tried again",
        checkpoint.failures.clone(),
    );
    own.register(
        "log_dropped",
        "Lines of the agent's own log that found nobody to take them",
        log.dropped.clone(),
    );
}

fn register_worker(own: &mut Registry, counters: &WorkerCounters) {
    let WorkerCounters {
        bytes_read,
        events,
        batches,
        batch_bytes,
        batch_wire_bytes,
        rewinds,
        truncations,
        cuts,
        read_errors,
        new_generations,
        damaged,
        damaged_bytes,
        unparsed,
        losses,
        sources,
        open_files,
        batches_in_flight,
        carry_bytes,
    } = counters;
    let mut counter = |name: &str, help: &str, counter: &Counter| {
        own.register(name, help, counter.clone());
    };
    counter("read_bytes", "Bytes read from logs, those read again included", bytes_read);
    counter("read_errors", "Reads that failed", read_errors);
    counter("truncations", "Files that were found shorter than they were", truncations);
    counter("events", "Events decoded, those decoded again included", events);
    counter("cuts", "Events sent unfinished, because a time, a limit or an end cut them", cuts);
    counter("rewinds", "Times a source went back to its frontier", rewinds);
    counter("generations", "Generations begun because ids were taken or lost", new_generations);
    counter("batches", "Batches sealed", batches);
    counter("batch_bytes", "Bytes of sealed batches before compression", batch_bytes);
    counter("batch_wire_bytes", "Bytes of sealed batches after compression", batch_wire_bytes);
    own.register("damaged", about("damaged"), damaged.clone());
    own.register("damaged_bytes", about("damaged_bytes"), damaged_bytes.clone());
    own.register("unparsed", about("unparsed"), unparsed.clone());
    own.register("losses", about("losses"), losses.family.clone());
    let mut gauge = |name: &str, help: &str, gauge: &Gauge| {
        own.register(name, help, gauge.clone());
    };
    gauge("sources", "Sources that are followed", sources);
    gauge("open_files", "Log files that are held open", open_files);
    gauge("batches_in_flight", "Batches sealed and without a receipt", batches_in_flight);
    gauge("carry_bytes", "Bytes of unfinished lines and events that are held", carry_bytes);
}

fn register_ship(own: &mut Registry, counters: &ship::Counters) {
    let ship::Counters {
        documents_acked,
        conflicts,
        conflicts_on_first_attempt,
        items_retried,
        documents_resent,
        pauses,
        targets_paused,
        collisions,
        dead_letters,
        dead_letter_failures,
        requests,
        splits,
        bytes_wire,
        bytes_inflated,
        requests_in_flight,
        window,
        batches_in_flight,
        last_success_seconds,
    } = counters;
    let mut counter = |name: &str, help: &str, counter: &Counter| {
        own.register(name, help, counter.clone());
    };
    counter("ship_documents", "Documents stored by the output", documents_acked);
    counter(
        "ship_conflicts_on_first_attempt",
        "Documents that the server had although this state had never sent them",
        conflicts_on_first_attempt,
    );
    counter(
        "ship_items_retried",
        "Documents sent again because they, not their request, were refused for now",
        items_retried,
    );
    counter(
        "ship_documents_resent",
        "Documents sent again because their request failed",
        documents_resent,
    );
    counter(
        "ship_collisions",
        "Slices whose ids belong to other documents on the server",
        collisions,
    );
    counter(
        "ship_dead_letter_failures",
        "Dead letters that disk did not take",
        dead_letter_failures,
    );
    counter("ship_splits", "Requests split because they were too large", splits);
    counter("ship_wire_bytes", "Bytes of request bodies as sent", bytes_wire);
    counter("ship_inflated_bytes", "The same bodies before compression", bytes_inflated);
    own.register("ship_conflicts", about("ship_conflicts"), conflicts.clone());
    own.register("ship_pauses", about("ship_pauses"), pauses.clone());
    own.register("ship_dead_letters", about("ship_dead_letters"), dead_letters.clone());
    own.register("ship_requests", about("ship_requests"), requests.clone());
    let mut gauge = |name: &str, help: &str, gauge: &Gauge| {
        own.register(name, help, gauge.clone());
    };
    gauge("ship_targets_paused", "Indices that refuse and are waited for", targets_paused);
    gauge("ship_requests_in_flight", "Requests that are open", requests_in_flight);
    gauge("ship_window", "Requests that may be open; fewer while the server is busy", window);
    gauge("ship_batches_in_flight", "Batches that wait for their receipt", batches_in_flight);
    own.register(
        "ship_last_success_time_seconds",
        "When the last document was stored, in seconds since the Unix epoch; 0 before the first",
        last_success_seconds.clone(),
    );
}

/// The build and the process, which need no room.
pub fn register_process(registry: &mut Registry) {
    let build = Info::new([("version", VERSION), ("arch", std::env::consts::ARCH)]);
    registry.register("sluice_build", "The build that runs", build);
    registry.register_collector(Box::new(Process));
}

/// The answer to a scrape, in the text form of `OpenMetrics`.
pub fn page(registry: &Registry, snapshot: Option<&Snapshot>) -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode_registry(&mut text, registry)?;
    if let Some(snapshot) = snapshot {
        encode_registry(&mut text, &of_sources(&snapshot.positions))?;
    }
    encode_eof(&mut text)?;
    Ok(text)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabel {
    container: String,
    source: String,
}

type FigureOf = fn(&PositionView) -> i64;

/// What every source exports.
const OF_SOURCES: [(&str, &str, FigureOf); 4] = [
    ("unread_bytes", "Bytes written and not read", |view| view.unread_bytes as i64),
    ("unacked_bytes", "Bytes read and not acknowledged", |view| view.unacked_bytes as i64),
    ("bytes_per_second", "Bytes read per second, of late", |view| view.bytes_per_second as i64),
    ("waits", "1 while the source waits for an index that refuses", |view| {
        i64::from(view.waits_for.is_some())
    }),
];

/// Made anew for each scrape, so that a source that has gone is gone here too, and nothing is
/// counted on the data's way for it.
fn of_sources(positions: &[PositionView]) -> Registry {
    let mut registry = Registry::default();
    let own = registry.sub_registry_with_prefix("sluice_source");
    for (name, help, figure) in OF_SOURCES {
        let family = Family::<SourceLabel, Gauge>::default();
        for position in positions {
            let container = position.container.clone();
            let label = SourceLabel { container, source: position.source.clone() };
            family.get_or_create(&label).set(figure(position));
        }
        own.register(name, help, family);
    }
    registry
}

/// Families with labels are not in the answer before they have a member, so the page has them
/// from here: name, kind, labels, what.
const FAMILIES: [[&str; 4]; 11] = [
    [
        "ship_conflicts",
        "counter",
        "kind",
        "Documents that the server had already, by why they were believed or not: resent, \
         earlier_run, verified, compared_same, compared_different, vanished",
    ],
    [
        "ship_dead_letters",
        "counter",
        "reason",
        "Documents that the output will never take, on disk: mapping, limit, pipeline, \
         too_large, malformed, target_refused, other",
    ],
    [
        "ship_pauses",
        "counter",
        "reason",
        "Pauses of an index: busy, refused, dead_letters, unreadable",
    ],
    [
        "ship_requests",
        "counter",
        "outcome",
        "Requests by outcome: ok, partial, busy, unauthorized, refused, too_large, malformed, \
         untrusted, connect, tls, deadline, closed, error",
    ],
    [
        "damaged",
        "counter",
        "reason",
        "Records that were no legal Docker records, delivered as they stand: nul, not_json, \
         torn, not_utf8, oversized",
    ],
    ["damaged_bytes", "counter", "reason", "Bytes of such records"],
    [
        "unparsed",
        "counter",
        "format",
        "Events whose text is not of its declared format, delivered without its fields: json, \
         csv, nginx, apache2, apache_error, regexp",
    ],
    [
        "losses",
        "counter",
        "reason, container",
        "Declared losses: removed_while_away, deleted_before_open, never_described, \
         rotated_while_away, rotated_unseen, truncated, read_error; beyond 1000 containers \
         without a name",
    ],
    ["watch_news", "counter", "rung", "News passed to workers"],
    [
        "watch_missed",
        "counter",
        "rung, mount",
        "Changes that only the sweep found and the file's rung should have announced",
    ],
    ["watch_followed", "gauge", "rung", "Followed logs by rung"],
];

/// What the table says of a family.
fn about(name: &str) -> &'static str {
    FAMILIES.iter().find(|row| row[0] == name).map_or("", |row| row[3])
}

const HEAD: &str = "\
# Metrics

<!-- Made from the registry by `SLUICE_UPDATE=1 cargo test -p sluice stale`. -->

`GET /metrics` at `http.listen` answers in OpenMetrics text.
Figures of a source are taken at each scrape and vanish with their source.

| name | type | labels | what |
|---|---|---|---|
";

/// The page `docs/metrics.md`: everything that an agent can export.
pub fn reference() -> Result<String, fmt::Error> {
    let text = page(&registry_of_defaults(), None)?;
    let mut out = HEAD.to_owned();
    let mut help = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            write_row(&mut out, name, kind, "", help)?;
        }
    }
    for [name, kind, labels, help] in FAMILIES {
        write_row(&mut out, &format!("sluice_{name}"), kind, labels, help)?;
    }
    for (name, help, _) in OF_SOURCES {
        let name = format!("sluice_source_{name}");
        write_row(&mut out, &name, "gauge", "container, source", help)?;
    }
    Ok(out)
}

fn write_row(out: &mut String, name: &str, kind: &str, labels: &str, help: &str) -> fmt::Result {
    // The suffix that a sample has and its family has not.
    let suffix = match kind {
        "counter" => "_total",
        "info" => "_info",
        _ => "",
    };
    writeln!(out, "| `{name}{suffix}` | {kind} | {labels} | {} |", help.trim_end_matches('.'))
}

/// As it stands in an agent that has done nothing yet.
fn registry_of_defaults() -> Registry {
    let mut registry = registry();
    let rooms = Rooms {
        discover: &discover::Counters::default(),
        watch: &watch::Counters::default(),
        worker: &WorkerCounters::default(),
        ship: &ship::Counters::default(),
        checkpoint: &checkpoint::CommitterCounters::default(),
        log: &super::log::Counters::default(),
    };
    register(&mut registry, &rooms);
    registry
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_page_is_not_stale() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        let reference = reference().expect("it can be written");
        if std::env::var_os("SLUICE_UPDATE").is_some() {
            fs::create_dir_all(path.parent().expect("a directory")).expect("it can be made");
            fs::write(&path, &reference).expect("it can be written");
        }
        let page = fs::read_to_string(&path).expect("docs/metrics.md is there");
        assert!(page == reference, "run `SLUICE_UPDATE=1 cargo test -p sluice stale`");
    }

    /// The registry tells its names to nobody but its debug output.
    #[test]
    fn the_page_has_every_registered_name() {
        let debug = format!("{:?}", registry_of_defaults());
        let names: Vec<_> = debug
            .split("Descriptor { name: \"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(names.len() > 10, "{debug}");
        let page = reference().expect("it can be written");
        for name in names {
            let found = ["", "_total", "_info"].iter().any(|suffix| {
                page.contains(&format!("| `sluice_{name}{suffix}` |"))
                    || page.contains(&format!("| `{name}{suffix}` |"))
            });
            assert!(found, "`{name}` is missing; a family belongs into FAMILIES");
        }
    }

    #[test]
    fn no_name_is_given_twice() {
        let page = reference().expect("it can be written");
        let names: Vec<_> = page.lines().filter_map(|line| line.split('`').nth(1)).collect();
        let different: BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), different.len(), "{page}");
    }

    #[test]
    fn a_source_has_its_figures() {
        let position = PositionView {
            source: "docker:ab:stdout".into(),
            container: "we\"b".into(),
            unread_bytes: 7,
            ..PositionView::default()
        };
        let snapshot = Snapshot { positions: vec![position], ..Snapshot::default() };
        let page = page(&registry(), Some(&snapshot)).expect("it can be written");
        let label = r#"{container="we\"b",source="docker:ab:stdout"}"#;
        assert!(page.contains(&format!("sluice_source_unread_bytes{label} 7\n")), "{page}");
    }
}
