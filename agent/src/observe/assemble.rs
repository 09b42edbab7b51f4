//! A snapshot out of what the rooms say: discovery's list, the workers' positions.

use std::collections::{BTreeMap, HashMap};

use super::snapshot::{ContainerView, OutputView, PositionView, Snapshot};
use crate::core::{Now, SourceKey};
use crate::discover::Listed;
use crate::worker::Position;

/// What the rooms said at one moment.
#[derive(Debug, Default)]
pub struct Gathered {
    pub node: String,
    pub output: OutputView,
    pub containers: Vec<Listed>,
    /// Of all workers.
    pub positions: Vec<Position>,
    /// Targets by container id.
    pub targets: HashMap<String, String>,
}

/// Makes rates of totals, from one snapshot to the next; whoever gives snapshots keeps it.
#[derive(Debug, Default)]
pub struct Rates(BTreeMap<String, Samples>);

/// The rate is taken over the time since `older`, so that two who ask in turn do not spoil each
/// other's figures with a window of nothing.
#[derive(Clone, Copy, Debug)]
struct Samples {
    older: Sample,
    newer: Sample,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    mono_ns: u64,
    bytes: u64,
}

/// A rate is an average over one to two of these.
const WINDOW_NS: u64 = 5_000_000_000;

impl Snapshot {
    pub fn assemble(gathered: Gathered, rates: &mut Rates, now: Now) -> Self {
        let Gathered { node, output, containers, positions, mut targets } = gathered;
        rates.keep(&positions);
        let mut positions: Vec<PositionView> =
            positions.into_iter().map(|position| view(position, rates, now)).collect();
        positions.sort_by(|a, b| (&a.container, &a.source).cmp(&(&b.container, &b.source)));
        let by_source: HashMap<&str, &PositionView> =
            positions.iter().map(|view| (view.source.as_str(), view)).collect();
        let mut containers: Vec<ContainerView> = containers
            .into_iter()
            .map(|listed| {
                let key = SourceKey::docker(&listed.id);
                let position = by_source.get(key.as_str());
                ContainerView {
                    target: targets.remove(&listed.id),
                    lag_bytes: position.map_or(0, |view| view.lag_bytes),
                    bytes_per_second: position.map_or(0, |view| view.bytes_per_second),
                    state: listed.state.as_str().to_owned(),
                    collected: listed.reason.is_none(),
                    id: listed.id,
                    name: listed.name,
                    image: listed.image,
                    driver: listed.driver,
                    reason: listed.reason,
                }
            })
            .collect();
        containers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Self { node, output, containers, positions }
    }
}

fn view(position: Position, rates: &mut Rates, now: Now) -> PositionView {
    PositionView {
        bytes_per_second: rates.rate(&position.source, position.bytes_read, now),
        source: position.source,
        container: position.container,
        file: position.file,
        inode: position.inode,
        frontier: position.frontier,
        read: position.offset,
        size: position.size,
        lag_bytes: position.lag_bytes,
        waits_for: position.waits_for,
    }
}

impl Rates {
    /// Forgets sources that have gone.
    fn keep(&mut self, positions: &[Position]) {
        let present: std::collections::HashSet<&str> =
            positions.iter().map(|position| position.source.as_str()).collect();
        self.0.retain(|source, _| present.contains(source.as_str()));
    }

    fn rate(&mut self, source: &str, bytes: u64, now: Now) -> u64 {
        let sample = Sample { mono_ns: now.mono_ns, bytes };
        let Some(samples) = self.0.get_mut(source) else {
            self.0.insert(source.to_owned(), Samples { older: sample, newer: sample });
            return 0;
        };
        if now.mono_ns.saturating_sub(samples.newer.mono_ns) >= WINDOW_NS {
            samples.older = samples.newer;
            samples.newer = sample;
        }
        let seconds = now.since(samples.older.mono_ns).as_secs_f64();
        let read = bytes.saturating_sub(samples.older.bytes);
        if seconds > 0.0 { (read as f64 / seconds) as u64 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::State;

    fn at(seconds: u64) -> Now {
        Now { mono_ns: 1 + seconds * 1_000_000_000, wall_ns: 0 }
    }

    fn position(id: &str, bytes_read: u64) -> Position {
        Position {
            source: SourceKey::docker(id).as_str().to_owned(),
            container: "web".into(),
            file: "a-json.log".into(),
            inode: 7,
            frontier: 1,
            offset: 2,
            size: 3,
            lag_bytes: 4,
            bytes_read,
            waits_for: None,
        }
    }

    #[test]
    fn containers_meet_their_positions() {
        let listed = |id: &str, name: &str, reason: Option<&str>| Listed {
            id: id.into(),
            name: name.into(),
            image: "nginx".into(),
            driver: "json-file".into(),
            state: State::Running,
            log_path: None,
            reason: reason.map(str::to_owned),
        };
        let gathered = |bytes_read| Gathered {
            containers: vec![listed("b", "web", None), listed("a", "db", Some("opted out"))],
            positions: vec![position("b", bytes_read)],
            targets: [("b".to_owned(), "sluice".to_owned())].into(),
            ..Gathered::default()
        };
        let mut rates = Rates::default();
        Snapshot::assemble(gathered(0), &mut rates, at(0));
        let snapshot = Snapshot::assemble(gathered(200), &mut rates, at(2));
        let [db, web] = &snapshot.containers[..] else { panic!("there are two") };
        assert_eq!((db.name.as_str(), db.collected), ("db", false));
        assert_eq!(web.target.as_deref(), Some("sluice"));
        assert_eq!((web.lag_bytes, web.bytes_per_second), (4, 100));
        assert_eq!(snapshot.positions[0].read, 2);
    }

    #[test]
    fn a_rate_looks_at_the_last_seconds() {
        let mut rates = Rates::default();
        let mut check = |seconds: u64, bytes: u64, expected: u64| {
            assert_eq!(rates.rate("s", bytes, at(seconds)), expected, "at {seconds}");
        };
        check(0, 1_000, 0);
        check(0, 1_000, 0);
        check(1, 1_100, 100);
        check(5, 1_500, 100);
        // What came before the last window is forgotten.
        check(10, 1_500, 0);
        check(12, 1_500, 0);
        check(15, 2_500, 200);
        rates.keep(&[]);
        assert!(rates.0.is_empty());
    }
}
