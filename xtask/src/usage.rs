//! What a process has used, from `/proc`.

use std::fs;

use anyhow::{Context, Result};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// User and system, all threads, ended ones too.
    pub(crate) cpu_seconds: f64,
    pub(crate) rss_bytes: u64,
    pub(crate) rss_peak_bytes: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let stat = read(pid, "stat")?;
        let cpu_seconds = cpu_seconds(&stat).with_context(|| format!("strange stat of {pid}"))?;
        let status = read(pid, "status")?;
        Ok(Self {
            cpu_seconds,
            rss_bytes: kibibytes(&status, "VmRSS:"),
            rss_peak_bytes: kibibytes(&status, "VmHWM:"),
        })
    }
}

/// Forgets the highest memory so far, so that what is read later is of the time in between.
pub(crate) fn forget_peak(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    fs::write(&path, "5").with_context(|| format!("cannot write {path}"))
}

fn read(pid: u32, name: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{name}");
    fs::read_to_string(&path).with_context(|| format!("cannot read {path}; has the process ended?"))
}

/// Fields 14 and 15; the name before them may hold blanks, so they count from its parenthesis.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ').skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// 0 for a kernel thread or a process that has just ended.
fn kibibytes(status: &str, key: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_name_with_blanks() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 9 1 1";
        let expect = 200.0 / rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu_seconds(stat), Some(expect));
    }

    #[test]
    fn reads_this_process() {
        let usage = Usage::of(std::process::id()).expect("we are there");
        assert!(usage.rss_bytes > 0 && usage.rss_peak_bytes >= usage.rss_bytes);
    }
}
