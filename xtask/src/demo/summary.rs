//! The end of a demo: what it cost and whether every line arrived once.

use anyhow::Result;
use sluice_bench::load::Ledger;
use sluice_bench::verify::compare;

use super::sink::Sink;
use crate::usage::Usage;

pub(super) struct Figures {
    /// From the first line to the last document.
    pub(super) seconds: f64,
    pub(super) lines: u64,
    /// 0 where nobody counted.
    pub(super) bytes: u64,
    /// The agent's, at the end.
    pub(super) usage: Usage,
    pub(super) deaths: u32,
}

impl Figures {
    /// Prints the summary; true if nothing is missing, doubled, corrupt or out of order.
    pub(super) fn report(&self, ledger: &Ledger, sink: &Sink) -> Result<bool> {
        let summary = compare(ledger, &sink.received()?);
        let total = summary.total();
        let row = |name: &str, value: String| println!("{name:<18}{value:>14}");
        row("lines written", ledger.lines().to_string());
        row("documents", summary.documents.to_string());
        row("missing", total.missing.to_string());
        row("doubled", total.doubled.to_string());
        row("lines/s", format!("{:.0}", self.lines as f64 / self.seconds));
        if self.bytes > 0 {
            row("MB/s", format!("{:.1}", self.bytes as f64 / self.seconds / 1e6));
            let per_gb = self.usage.cpu_seconds / (self.bytes as f64 / 1e9);
            row("CPU s per GB", format!("{per_gb:.2}"));
        }
        row("CPU s", format!("{:.2}", self.usage.cpu_seconds));
        if let Some(traffic) = sink.traffic().filter(|traffic| traffic.wire_bytes > 0) {
            let ratio = traffic.inflated_bytes as f64 / traffic.wire_bytes as f64;
            row("compression", format!("{ratio:.1} : 1"));
        }
        row(
            "memory, peak",
            format!("{:.1} MiB", self.usage.rss_peak_bytes as f64 / f64::from(1 << 20)),
        );
        if self.deaths > 0 {
            row("agent killed", format!("{} x", self.deaths));
        }
        if let Some(address) = sink.address() {
            println!("the documents stay at {address}");
        }
        if !summary.is_clean() {
            println!("\n{summary}");
        }
        Ok(summary.is_clean())
    }
}
