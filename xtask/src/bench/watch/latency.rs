//! From a line's write to its document's arrival, one line at a time.

use std::path::Path;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use serde_json::{Value, json};
use sluice_bench::load::{
    Clock, ContainerDir, ContainerSpec, JsonFileWriter, Kind, LineSource, Stream,
};
use sluice_bench::rng::Rng;
use sluice_bench::standin::{Keep, Standin, StandinConfig};

use super::stage::Stage;
use crate::bench::verdict::{Finding, Mark};

/// On the best rung.
const P99_MARK_MS: f64 = 20.0;
/// A line that has not arrived by then is lost.
const LIMIT: Duration = Duration::from_secs(30);
/// Until what goes on after the first line has ended.
const SETTLE: Duration = Duration::from_secs(3);
/// A doubled document would come after the last one.
const AFTER: Duration = Duration::from_millis(500);

/// Gaps between a line's arrival and the next line, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gaps {
    /// Some fall into the tick after the line before.
    Any,
    /// Each line comes after two ticks of quiet.
    Idle,
}

impl Gaps {
    fn bounds(self) -> (u64, u64) {
        match self {
            Self::Any => (50, 300),
            Self::Idle => (210, 300),
        }
    }

    fn as_str(self) -> String {
        let (least, most) = self.bounds();
        format!("gaps of {least} to {most} ms")
    }
}

/// Milliseconds, in order.
struct Times(Vec<f64>);

impl Times {
    fn share(&self, share: f64) -> f64 {
        let place = (self.0.len() as f64 * share).ceil() as usize;
        self.0.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
    }
}

type Measured = (Vec<Finding>, Value);

/// What is measured, all of it at the same time, so that a slow minute of the machine falls on all:
/// they wait nearly all of theirs.
const CASES: [(&str, Gaps); 5] = [
    ("auto", Gaps::Idle),
    ("auto", Gaps::Any),
    ("inotify", Gaps::Idle),
    ("inotify", Gaps::Any),
    ("poll", Gaps::Any),
];

pub(super) fn run_all(lines: u64, program: Option<&Path>) -> Result<Vec<Measured>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = CASES
            .into_iter()
            .map(|(rung, gaps)| scope.spawn(move || run(rung, gaps, lines, program)))
            .collect();
        let join = |thread: ScopedJoinHandle<'_, Result<Measured>>| {
            thread.join().map_err(|_| anyhow!("a thread of lines panicked"))?
        };
        threads.into_iter().map(join).collect()
    })
}

fn run(rung: &str, gaps: Gaps, lines: u64, program: Option<&Path>) -> Result<Measured> {
    let stage = Stage::new(rung)?;
    let keep = Keep::Ids;
    let standin = Standin::start(StandinConfig { keep, ..StandinConfig::default() })?;
    let container = ContainerDir::create(&stage.root(), ContainerSpec::new("web"))?;
    let mut writer = container.writer(Clock::System)?;
    let mut source = LineSource::new("web", Kind::Access, 1);
    let mut agent = stage.start(&standin.url(), program)?;
    time(&mut writer, &mut source, &standin)?;
    std::thread::sleep(SETTLE);
    let stands_on = stage.stands_on(1)?;

    let mut rng = Rng::new(lines);
    let (least, most) = gaps.bounds();
    let mut times = Vec::new();
    for _ in 0..lines {
        std::thread::sleep(Duration::from_millis(least + rng.below(most - least + 1)));
        times.push(time(&mut writer, &mut source, &standin)?.as_secs_f64() * 1e3);
    }
    std::thread::sleep(AFTER);
    let missed = stage.metrics()?.sum("sluice_watch_missed_total", "");
    agent.stop()?;
    let documents = standin.count();
    ensure!(documents == lines + 1, "{documents} documents arrived for {} lines", lines + 1);
    times.sort_by(f64::total_cmp);
    let times = Times(times);
    let (p50, p99) = (times.share(0.5), times.share(0.99));
    eprintln!("xtask: {rung} ({stands_on}), {}: p50 {p50:.1}, p99 {p99:.1} ms", gaps.as_str());
    let finding = |name: &str, value, mark| Finding {
        name: format!("latency, {}, {}, {name}", super::title(rung, &stands_on), gaps.as_str()),
        value,
        unit: "ms",
        mark,
    };
    let is_marked = rung == "auto" && gaps == Gaps::Idle;
    let findings = vec![
        finding("p50", p50, None),
        finding("p99", p99, is_marked.then_some(Mark::AtMost(P99_MARK_MS))),
    ];
    let run = json!({
        "case": "latency", "rung": stands_on, "gaps_ms": [least, most], "lines": lines,
        "p50_ms": p50, "p90_ms": times.share(0.9), "p99_ms": p99, "most_ms": times.share(1.0),
        "missed": missed,
    });
    Ok((findings, run))
}

/// From before the write, so that what the write itself takes is in it.
fn time(
    writer: &mut JsonFileWriter,
    source: &mut LineSource,
    standin: &Standin,
) -> Result<Duration> {
    let expect = standin.count() + 1;
    let start = Instant::now();
    writer.write_line(Stream::Stdout, source.next_line())?;
    ensure!(standin.wait_count(expect, LIMIT), "a line did not arrive in {} s", LIMIT.as_secs());
    Ok(start.elapsed())
}
