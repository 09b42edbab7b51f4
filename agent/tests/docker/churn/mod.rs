//! Containers that come and go as fast as they can: what arrives of them, and what is left in the
//! agent when they are gone.

mod api;
mod made_up;
mod rest;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sluice_bench::load::{Ledger, Written};
use sluice_bench::standin::{Keep, Standin, StandinConfig};

use super::common::{IN_TIME, Node, number, seed, wait_until};
use super::engine::Engine;
use super::pair::Side;
use super::station::Station;
use api::Api;
use made_up::Lives;
use rest::Rest;

/// Of each of the three logs of a container.
const LINES: u64 = 10;
/// Logs that a container has: its output, a file in its layer and one on a volume.
const LOGS: [(&str, &str); 3] =
    [("out", "stdout"), ("layer", "/app/logs/layer.log"), ("volume", "/data/volume.log")];
/// Before the first figure is taken: what the agent needs once, and keeps.
const WARM_UP: Duration = Duration::from_secs(5);
/// Of containers that come and go.
const ROUNDS_MAX: usize = 3;
/// Containers at once under dockerd; more of them only wait for each other in it.
const PARALLEL: usize = 8;

/// How long they come and go. A minute where somebody has the time.
fn time() -> Duration {
    Duration::from_secs(number("SLUICE_TEST_CHURN_SECONDS", 20))
}

/// One that asks the engine's socket, and one that knows only the directories.
fn sides(engine: &Engine) -> Vec<Side> {
    [("socket", engine.socket()), ("directory", "off")]
        .map(|(name, socket)| {
            side(name, |node| {
                node.set("docker.socket", socket);
                node.set("docker.root", engine.root.display().to_string());
            })
        })
        .into()
}

fn side(name: &'static str, set: impl FnOnce(&mut Node)) -> Side {
    let config = StandinConfig { keep: Keep::Ids, ..StandinConfig::default() };
    let standin = Standin::start(config).expect("the stand-in starts");
    let mut node = Node::sending_to(&standin);
    set(&mut node);
    Side { name, standin, station: Station::new(node) }
}

/// A container that is over.
struct Lived {
    name: String,
    id: String,
}

/// What the declared logs of these containers hold.
fn ledger_of(containers: &[Lived]) -> Ledger {
    let mut ledger = Ledger::default();
    for container in containers {
        for (log, _) in LOGS {
            let written = Written { lines: LINES, text_bytes: 0 };
            ledger.set(&format!("{}/{log}", container.name), written);
        }
    }
    ledger
}

#[test]
fn nothing_is_left_of_containers_that_come_and_go_as_fast_as_dockerd_can() {
    let Some(engine) = Engine::given() else { return };
    let mut sides = sides(&engine);
    sides.iter_mut().for_each(|side| side.station.start());
    let all = churn(&sides, |name, time| live_under_dockerd(&engine, name, time));
    sides.iter_mut().for_each(|side| judge(side, &all));
}

/// Has them come and go until the agents hold as much as they did before.
///
/// What they keep of the most that there was at once shows once, and what they keep of each
/// container shows again.
#[track_caller]
fn churn(sides: &[Side], mut live: impl FnMut(&str, Duration) -> Vec<Lived>) -> Vec<Lived> {
    let mut all = live("warm", WARM_UP);
    let mut before: Vec<Rest> = sides.iter().map(|side| Rest::settled(&side.station)).collect();
    let first = before.clone();
    for round in 1..=ROUNDS_MAX {
        all.extend(live(&format!("churn{round}"), time()));
        let mut is_as_before = true;
        for ((side, before), first) in sides.iter().zip(&mut before).zip(&first) {
            let after = before.awaited(&side.station);
            after.expect_bounded_since(first);
            eprintln!("{}: {before:?} before round {round}, and {after:?} after", side.name);
            is_as_before &= !after.has_grown_since(before);
            *before = after;
        }
        if is_as_before {
            return all;
        }
    }
    panic!("each of {ROUNDS_MAX} rounds left something");
}

/// Makes, starts and removes them; returns when the last is gone.
fn live_under_dockerd(engine: &Engine, name: &str, time: Duration) -> Vec<Lived> {
    let api = Api::new(engine.socket());
    let next = AtomicU64::new(0);
    let began = Instant::now();
    let live = || {
        let mut lived = Vec::new();
        while began.elapsed() < time {
            let name = format!("{name}-{}", next.fetch_add(1, Ordering::Relaxed));
            lived.push(api.live(&name, &engine.image, &script(&name)));
        }
        lived
    };
    let lived: Vec<Lived> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..PARALLEL).map(|_| scope.spawn(live)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let rate = lived.len() as f64 / began.elapsed().as_secs_f64();
    eprintln!("dockerd: {} containers, {rate:.1} a second", lived.len());
    lived
}

fn script(name: &str) -> String {
    let write = |log: &str, path: &str| {
        let file = if path == "stdout" { String::new() } else { format!("--file {path}") };
        format!("sluice-bench write --source {name}/{log} --lines {LINES} {file}")
    };
    let writes: Vec<_> = LOGS.iter().map(|(log, path)| write(log, path)).collect();
    format!("mkdir -p /app/logs; {}; sleep 0.05", writes.join("; "))
}

/// A hundred a second by a writer of Docker's directories, since no engine is as fast.
#[test]
fn nothing_is_left_of_a_hundred_containers_a_second() {
    // Its turn, so that no other test takes the processors.
    let Some(_engine) = Engine::given() else { return };
    let mut side = side("made up", |_| {});
    let mut lives = Lives::new(side.station.node.root(), seed());
    side.station.start();
    let all = churn(std::slice::from_ref(&side), |name, time| lives.live(name, time));
    judge(&mut side, &all);
}

/// Each line once, or its log or its whole container declared lost.
#[track_caller]
fn judge(side: &mut Side, containers: &[Lived]) {
    let Side { name: side, standin, station } = side;
    let ledger = ledger_of(containers);
    let missing = || -> BTreeMap<String, u64> {
        let summary = standin.verify(&ledger);
        let faulty = summary.sources.into_iter().filter(|source| source.missing > 0);
        faulty.map(|source| (source.source, source.missing)).collect()
    };
    let settled = wait_until(IN_TIME, || {
        std::thread::sleep(Duration::from_millis(200));
        let declared = Declared::of(station, containers);
        missing().keys().all(|source| declared.tells_of(source))
    });
    let (missing, declared) = (missing(), Declared::of(station, containers));
    eprintln!(
        "{side}: {} containers, {} of {} logs are not whole, {} are declared lost and {} \
         containers",
        containers.len(),
        missing.len(),
        containers.len() * LOGS.len(),
        declared.logs.len(),
        declared.containers.len()
    );
    let silent: Vec<_> = missing.keys().filter(|source| !declared.tells_of(source)).collect();
    assert!(
        settled,
        "{side}: nobody said of these that they are lost: {silent:?}\n{}",
        said_of(station, containers, &silent)
    );
    let whole: Vec<_> =
        declared.logs.iter().filter(|source| !missing.contains_key(*source)).collect();
    assert!(
        whole.is_empty(),
        "{side}: these are whole, and declared lost: {whole:?}\n{}",
        said_of(station, containers, &whole)
    );
    let counted = |reason| station.metric("sluice_losses_total", &[reason]) as usize;
    assert_eq!(counted("deleted_before_open"), declared.logs.len(), "{side}: each is counted");
    assert_eq!(counted("never_described"), declared.containers.len(), "{side}: each is counted");
    station.stop();
    let summary = standin.verify(&ledger);
    let total = summary.total();
    assert_eq!((total.doubled, total.corrupt, total.out_of_order), (0, 0, 0), "{summary}");
    assert_eq!((summary.foreign, standin.ids_seen_twice()), (0, 0), "{side}: {summary}");
}

/// What the agent's log declares lost.
#[derive(Default)]
struct Declared {
    /// By the names that the writer gave them.
    logs: BTreeSet<String>,
    /// Of which nobody knows what they had, by name.
    containers: BTreeSet<String>,
}

impl Declared {
    fn of(station: &Station, containers: &[Lived]) -> Self {
        let names: BTreeMap<&str, &str> =
            containers.iter().map(|lived| (lived.id.as_str(), lived.name.as_str())).collect();
        let mut declared = Self::default();
        for line in station.log().lines().filter(|line| line.contains("declared loss")) {
            let field = |name: &str| {
                let (_, rest) = line.split_once(&format!(" {name}="))?;
                Some(rest.split(' ').next()?.trim_matches('"'))
            };
            let (Some(source), Some(reason)) = (field("source"), field("reason")) else {
                panic!("no source or no reason: {line}");
            };
            // docker:<id>:stdout, docker:<id>:log:<name>:<path>, work:name/<container>@<volume>:log:…
            let parts: Vec<&str> = source.splitn(5, ':').collect();
            let owner = parts.get(1).copied().unwrap_or_default();
            let owner = owner.split('@').next().unwrap_or_default();
            let Some(name) = owner.strip_prefix("name/").or(names.get(owner).copied()) else {
                panic!("it is of none of the containers: {line}");
            };
            match reason {
                "never_described" => drop(declared.containers.insert(name.to_owned())),
                "deleted_before_open" => {
                    let log = parts.get(3).unwrap_or(&LOGS[0].0);
                    declared.logs.insert(format!("{name}/{log}"));
                }
                _ => panic!("nothing else may happen here: {line}"),
            }
        }
        declared
    }

    fn tells_of(&self, source: &str) -> bool {
        let container = source.split('/').next().unwrap_or_default();
        self.logs.contains(source) || self.containers.contains(container)
    }
}

/// What the agent's log has on the containers of these sources, and what it warns of.
fn said_of(station: &Station, containers: &[Lived], sources: &[&String]) -> String {
    let is_one = |lived: &&Lived| {
        sources.iter().any(|source| source.split('/').next() == Some(lived.name.as_str()))
    };
    let of: Vec<&Lived> = containers.iter().filter(is_one).collect();
    let names: Vec<String> = of.iter().map(|lived| format!("\"{}\"", lived.name)).collect();
    let is_meant = |line: &&str| {
        line.contains(" WARN ")
            || names.iter().any(|name| line.contains(name))
            || of.iter().any(|lived| line.contains(&lived.id))
    };
    station.log().lines().filter(is_meant).collect::<Vec<_>>().join("\n")
}
