//! One file that is written all the time: how often the watcher wakes.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_bench::load::Ledger;

use super::stage::Stage;
use crate::bench::sink::Sink;
use crate::bench::verdict::{Finding, Mark};
use crate::process::{Running, tethered};
use crate::workspace::release_binary;

/// Writes a second, one per line.
const RATE: u64 = 10_000;
/// Starting is not what is measured.
const WARM_UP: Duration = Duration::from_secs(3);
/// After the last line.
const LIMIT: Duration = Duration::from_secs(30);
/// A tick of 100 ms, and a few for the metrics, the sweep and the names.
const WAKEUPS_MARK: f64 = 15.0;

pub(super) fn run(
    rung: &str,
    seconds: u64,
    program: Option<&Path>,
) -> Result<(Vec<Finding>, Value)> {
    let stage = Stage::new(rung)?;
    let sink = Sink::start()?;
    let mut agent = stage.start(&sink.url, program)?;
    let ledger_path = stage.root().join("ledger.json");
    let lines = RATE * (seconds + 2 * WARM_UP.as_secs());
    let mut write = tethered(release_binary("sluice-bench"));
    write.args(["write", "--kind", "access", "--rate", &RATE.to_string()]);
    write.args(["--lines", &lines.to_string(), "--data-root"]).arg(stage.root());
    write.arg("--ledger").arg(&ledger_path);
    write.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut writer = Running::start("the writer", &mut write, Duration::from_secs(5))?;

    std::thread::sleep(WARM_UP);
    let stands_on = stage.stands_on(1)?;
    let read = || -> Result<(f64, f64)> {
        let metrics = stage.metrics()?;
        let of = |name| metrics.sum(name, "");
        Ok((of("sluice_watch_wakeups_total"), of("sluice_watch_news_total")))
    };
    let ((woke, news), before, start) = (read()?, agent.usage()?, Instant::now());
    std::thread::sleep(Duration::from_secs(seconds));
    let ((woke_after, news_after), after) = (read()?, agent.usage()?);
    let elapsed = start.elapsed().as_secs_f64();
    let still_writes = writer.ended()?.is_none();
    let status = writer.child().wait().context("cannot wait for the writer")?;
    ensure!(status.success() && still_writes, "the writer ended with {status}, or too early");
    let ledger = Ledger::load(&ledger_path)?;
    sink.await_documents(ledger.lines(), &mut agent, LIMIT)?;
    let missed = stage.metrics()?.sum("sluice_watch_missed_total", "");
    agent.stop()?;
    sink.expect(ledger.lines())?;

    let woke = (woke_after - woke) / elapsed;
    let news = (news_after - news) / elapsed;
    let percent = (after.cpu_seconds - before.cpu_seconds) / elapsed * 100.0;
    let rss = after.rss_bytes as f64 / f64::from(1 << 20);
    let title = format!("{RATE} writes a second, {}", super::title(rung, &stands_on));
    eprintln!("xtask: {title}: {woke:.1} wake-ups a second, {percent:.1} % of a core");
    let finding = |name: &str, value, unit, mark| Finding {
        name: format!("{title}, {name}"),
        value,
        unit,
        mark,
    };
    let findings = vec![
        finding("wake-ups", woke, "a second", Some(Mark::AtMost(WAKEUPS_MARK))),
        finding("processor", percent, "% of a core", None),
        finding("resident memory", rss, "MiB", None),
    ];
    let run = json!({
        "case": "busy", "rung": stands_on, "seconds": elapsed, "lines": ledger.lines(),
        "wakeups_per_second": woke, "news_per_second": news, "cpu_percent": percent,
        "rss_mib": rss, "missed": missed,
    });
    Ok((findings, run))
}
