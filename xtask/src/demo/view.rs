//! What is shown while it runs: redrawn on a terminal, a line per second elsewhere.

use std::io::{IsTerminal, Write as _, stdout};

use anyhow::Result;

use crate::usage::Usage;

#[derive(Clone, Copy, Default)]
pub(super) struct Moment {
    pub(super) seconds: f64,
    pub(super) lines: u64,
    pub(super) documents: u64,
    pub(super) bytes: u64,
    /// Of all agents so far.
    pub(super) usage: Usage,
    pub(super) deaths: u32,
}

pub(super) struct View {
    is_terminal: bool,
    before: Option<Moment>,
}

/// Lines of the redrawn view.
const HEIGHT: usize = 5;
const BAR: usize = 40;

impl View {
    pub(super) fn new() -> Self {
        Self { is_terminal: stdout().is_terminal(), before: None }
    }

    pub(super) fn show(&mut self, now: &Moment) -> Result<()> {
        let zero = Moment::default();
        let before = self.before.as_ref().unwrap_or(&zero);
        let seconds = (now.seconds - before.seconds).max(0.001);
        if !self.is_terminal && self.before.is_some() && seconds < 0.9 {
            return Ok(());
        }
        let per_second = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let cores = (now.usage.cpu_seconds - before.usage.cpu_seconds) / seconds;
        let behind = now.lines.saturating_sub(now.documents);
        let arriving = per_second(now.documents, before.documents);
        let megabytes = per_second(now.bytes, before.bytes) / 1e6;
        let rss = now.usage.rss_bytes as f64 / f64::from(1 << 20);
        let deaths = match now.deaths {
            0 => String::new(),
            times => format!("  killed {times}x"),
        };
        let mut out = stdout().lock();
        if self.is_terminal {
            if self.before.is_some() {
                write!(out, "\x1b[{HEIGHT}A")?;
            }
            let share = now.documents as f64 / now.lines.max(1) as f64;
            let full = ((share * BAR as f64) as usize).min(BAR);
            let lines = [
                format!("{:>6.0} s", now.seconds),
                format!("written   {:>12} lines  {megabytes:>8.1} MB/s", now.lines),
                format!("documents {:>12}        {arriving:>8.0} /s", now.documents),
                format!(
                    "behind    {behind:>12} lines  [{}{}]",
                    "#".repeat(full),
                    ".".repeat(BAR - full)
                ),
                format!("agent     {cores:>12.2} cores  {rss:>8.1} MiB {deaths}"),
            ];
            for line in lines {
                writeln!(out, "\x1b[2K{line}")?;
            }
        } else {
            writeln!(
                out,
                "{:>5.0} s  written {:>9}  documents {:>9}  behind {behind:>7}  {arriving:>7.0} docs/s  \
                 {megabytes:>6.1} MB/s  {cores:>5.2} cores  {rss:>6.1} MiB{deaths}",
                now.seconds, now.lines, now.documents
            )?;
        }
        out.flush()?;
        self.before = Some(*now);
        Ok(())
    }
}
