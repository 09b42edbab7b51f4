//! What the process costs, from `/proc/self`, under the names that every exporter uses.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        // A figure that the kernel does not give is left out: a 0 would be a lie.
        let stat = Stat::read();
        if let Some(seconds) = stat.as_ref().map(Stat::cpu_seconds) {
            let metric = ConstCounter::new(seconds);
            let help = "User and system time that the process has used";
            let kind = metric.metric_type();
            metric.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, kind)?)?;
        }
        let mut gauge = |name: &str, help: &str, value: Option<f64>| {
            let Some(value) = value else { return Ok(()) };
            let metric = ConstGauge::new(value);
            let kind = metric.metric_type();
            metric.encode(encoder.encode_descriptor(name, help, None, kind)?)
        };
        gauge(
            "process_resident_memory_bytes",
            "Memory of the process that is in RAM",
            stat.as_ref().map(|stat| stat.resident_bytes as f64),
        )?;
        gauge(
            "process_threads",
            "Threads of the process",
            stat.as_ref().map(|stat| stat.threads as f64),
        )?;
        gauge(
            "process_start_time_seconds",
            "When the process started, in seconds since the Unix epoch",
            stat.as_ref().and_then(Stat::start_seconds),
        )?;
        gauge("process_open_fds", "File descriptors that are open", open_descriptors())?;
        gauge("process_max_fds", "File descriptors that may be open", descriptors_max())
    }
}

/// The fields of `/proc/self/stat` that are used here.
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    resident_bytes: u64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// `proc_pid_stat(5)`; the name in parentheses may hold anything, so fields are counted from
    /// its end, where the third (the state) begins.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            resident_bytes: field(24)? * rustix::param::page_size() as u64,
        })
    }

    fn cpu_seconds(&self) -> f64 {
        self.cpu_ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }

    fn start_seconds(&self) -> Option<f64> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let boot: f64 =
            stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Some(boot + self.start_ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }
}

fn open_descriptors() -> Option<f64> {
    // The one that lists them is not counted.
    fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count().saturating_sub(1) as f64)
}

fn descriptors_max() -> Option<f64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.map(|limit| limit as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "7 (a) b 1) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 12345 1000 3 99";
        let stat = Stat::parse(text).expect("it is whole");
        assert_eq!((stat.cpu_ticks, stat.threads, stat.start_ticks), (300, 9, 12345));
        assert_eq!(stat.resident_bytes, 3 * rustix::param::page_size() as u64);
    }

    #[test]
    fn this_process_costs_something() {
        let stat = Stat::read().expect("Linux has it");
        assert!(stat.resident_bytes > 100_000 && stat.threads >= 1);
        let now = crate::core::Now::read().wall_ns as f64 / 1e9;
        let start = stat.start_seconds().expect("Linux has it");
        assert!(start <= now + 2.0 && start > now - 86_400.0, "{start} {now}");
        assert!(open_descriptors().is_some_and(|count| count >= 3.0));
    }
}
