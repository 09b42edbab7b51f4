//! Many followed files that nobody writes to.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use sluice_bench::load::{Clock, ContainerDir, ContainerSpec, Kind, LineSource, Stream};

use super::stage::Stage;
use crate::bench::sink::Sink;
use crate::bench::verdict::{Finding, Mark};

/// For the first line of each file to arrive.
const LIMIT: Duration = Duration::from_mins(3);
/// Until what goes on after the first lines has ended.
const SETTLE: Duration = Duration::from_secs(10);
/// Per cent of a core, with [`FILES`].
const CPU_MARK: f64 = 1.0;
pub(super) const FILES: u64 = 10_000;

pub(super) fn run(
    rung: &str,
    files: u64,
    seconds: u64,
    program: Option<&Path>,
) -> Result<(Vec<Finding>, Value)> {
    let stage = Stage::new(rung)?;
    for number in 0..files {
        let name = format!("quiet-{number}");
        let container = ContainerDir::create(&stage.root(), ContainerSpec::new(&name))?;
        let mut log = container.writer(Clock::System)?;
        let mut source = LineSource::new(&name, Kind::Access, number);
        log.write_line(Stream::Stdout, source.next_line())?;
        log.finish()?;
    }
    let sink = Sink::start()?;
    let mut agent = stage.start(&sink.url, program)?;
    sink.await_documents(files, &mut agent, LIMIT)?;
    std::thread::sleep(SETTLE);
    let stands_on = stage.stands_on(files)?;
    let wakeups = || -> Result<f64> { Ok(stage.metrics()?.sum("sluice_watch_wakeups_total", "")) };
    let (woke, before, start) = (wakeups()?, agent.usage()?, Instant::now());
    std::thread::sleep(Duration::from_secs(seconds));
    let (after, seconds) = (agent.usage()?, start.elapsed().as_secs_f64());
    let woke = (wakeups()? - woke) / seconds;
    agent.stop()?;
    sink.expect(files)?;

    let percent = (after.cpu_seconds - before.cpu_seconds) / seconds * 100.0;
    let rss = after.rss_bytes as f64 / f64::from(1 << 20);
    let title = format!("{files} idle files, {}", super::title(rung, &stands_on));
    eprintln!(
        "xtask: {title}: {percent:.2} % of a core, {rss:.0} MiB, {woke:.1} wake-ups a second"
    );
    let finding = |name: &str, value, unit, mark| Finding {
        name: format!("{title}, {name}"),
        value,
        unit,
        mark,
    };
    let mark = (files == FILES).then_some(Mark::AtMost(CPU_MARK));
    let findings = vec![
        finding("processor", percent, "% of a core", mark),
        finding("resident memory", rss, "MiB", None),
        finding("wake-ups", woke, "a second", None),
    ];
    let run = json!({
        "case": "idle", "rung": stands_on, "files": files, "seconds": seconds,
        "cpu_percent": percent, "rss_mib": rss, "wakeups_per_second": woke,
    });
    Ok((findings, run))
}
