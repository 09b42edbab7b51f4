//! The one place that knows every metric: each room names its own figures, and here they come
//! together under `sluice_`, beside those of the process and those per source.

use std::fmt::{self, Write};
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::process::Process;
use super::snapshot::{PositionView, Snapshot, VERSION};
use crate::{checkpoint, discover, watch};

/// What every room counts. Cloned counters share their figures, so references are enough.
#[derive(Clone, Copy, Debug)]
pub struct Rooms<'a> {
    pub discover: &'a discover::Counters,
    pub watch: &'a watch::Counters,
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
    let Rooms { discover, watch, checkpoint, log } = *rooms;
    register_process(registry);
    let own = registry.sub_registry_with_prefix("sluice");
    discover.register(own);
    watch.register(own);
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

type FigureOf = fn(&PositionView) -> Option<f64>;

/// What every source exports.
const OF_SOURCES: [(&str, &str, FigureOf); 6] = [
    ("unread_bytes", "Bytes written and not read", |view| Some(view.unread_bytes as f64)),
    ("unacked_bytes", "Bytes read and not acknowledged", |view| Some(view.unacked_bytes as f64)),
    ("bytes_per_second", "Bytes read per second, of late", |view| {
        Some(view.bytes_per_second as f64)
    }),
    ("oldest_age_seconds", "Age of the oldest line that is not acknowledged", |view| {
        view.oldest_age_ms.map(seconds)
    }),
    (
        "time_to_loss_seconds",
        "How soon rotation deletes unread bytes, at the present rate; absent if it does not",
        |view| view.time_to_loss_ms.map(seconds),
    ),
    ("pause_seconds", "Time until a paused target is tried again", |view| {
        view.pause_ms.map(seconds)
    }),
];

/// Made anew for each scrape, so that a source that has gone is gone here too, and nothing is
/// counted on the data's way for it.
fn of_sources(positions: &[PositionView]) -> Registry {
    let mut registry = Registry::default();
    let own = registry.sub_registry_with_prefix("sluice_source");
    for (name, help, figure) in OF_SOURCES {
        let family = Family::<SourceLabel, Gauge<f64, AtomicU64>>::default();
        for position in positions {
            if let Some(value) = figure(position) {
                let container = position.container.clone();
                let label = SourceLabel { container, source: position.source.clone() };
                family.get_or_create(&label).set(value);
            }
        }
        own.register(name, help, family);
    }
    registry
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// Families with labels are not in the answer before they have a member, so the page has them
/// from here: name, kind, labels, what.
const FAMILIES: [[&str; 4]; 3] = [
    ["watch_news", "counter", "rung", "News passed to workers"],
    [
        "watch_missed",
        "counter",
        "rung, mount",
        "Changes that only the sweep found and the file's rung should have announced",
    ],
    ["watch_followed", "gauge", "rung", "Followed logs by rung"],
];

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
            oldest_age_ms: Some(1_500),
            ..PositionView::default()
        };
        let snapshot = Snapshot { positions: vec![position], ..Snapshot::default() };
        let page = page(&registry(), Some(&snapshot)).expect("it can be written");
        let label = r#"{container="we\"b",source="docker:ab:stdout"}"#;
        assert!(page.contains(&format!("sluice_source_unread_bytes{label} 7.0\n")), "{page}");
        assert!(page.contains(&format!("sluice_source_oldest_age_seconds{label} 1.5\n")), "{page}");
        assert!(!page.contains("time_to_loss_seconds{"), "{page}");
    }
}
