//! The kernel, what it allows this process, and the clock.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sluice::core::Finding;
use sluice::sys;

/// All parts of the machine that no room looks at.
pub(super) fn probe() -> Vec<Finding> {
    vec![kernel(), btf(), capabilities(), lockdown(), seccomp(), cgroups(), clock()]
}

fn kernel() -> Finding {
    const WHAT: &str = "kernel";
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    let mut number = || numbers.next().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    match (number(), number()) {
        (5, 10..) | (6.., _) => Finding::ok(WHAT, format!("Linux {release}")),
        _ => Finding::degraded(
            WHAT,
            format!("Linux {release}: files are watched by inotify only"),
            "Linux 5.10 or newer, for the kernel's own signals and io_uring",
        ),
    }
}

fn btf() -> Finding {
    const WHAT: &str = "BTF";
    match fs::metadata("/sys/kernel/btf/vmlinux") {
        Ok(found) => Finding::ok(WHAT, format!("the kernel's types, {} KiB", found.len() >> 10)),
        Err(error) => Finding::degraded(
            WHAT,
            format!("/sys/kernel/btf/vmlinux: {error}; no kernel program can be loaded"),
            "a kernel with CONFIG_DEBUG_INFO_BTF, and /sys mounted into the agent's container",
        ),
    }
}

/// Bits of `capability.h`, with what is missed without each.
const CAPABILITIES: [(u32, &str, &str); 5] = [
    (2, "CAP_DAC_READ_SEARCH", "logs of other users cannot be read"),
    (19, "CAP_SYS_PTRACE", "files inside containers cannot be reached through /proc"),
    (24, "CAP_SYS_RESOURCE", "limits of the process cannot be raised"),
    (38, "CAP_PERFMON", "no kernel program can be attached"),
    (39, "CAP_BPF", "no kernel program can be loaded"),
];
const CAP_SYS_ADMIN: u32 = 21;

fn capabilities() -> Finding {
    const WHAT: &str = "capabilities";
    let held = status("CapEff").and_then(|text| u64::from_str_radix(&text, 16).ok()).unwrap_or(0);
    let has = |bit: u32| held >> bit & 1 == 1 || (bit >= 38 && held >> CAP_SYS_ADMIN & 1 == 1);
    let missing: Vec<_> = CAPABILITIES.iter().filter(|(bit, ..)| !has(*bit)).collect();
    if missing.is_empty() {
        return Finding::ok(WHAT, "all that are used");
    }
    let reasons: Vec<_> =
        missing.iter().map(|(_, name, lack)| format!("no {name}: {lack}")).collect();
    let names: Vec<_> = missing.iter().map(|(_, name, _)| *name).collect();
    let mend = format!("run as root with {}, or privileged", names.join(", "));
    Finding::degraded(WHAT, reasons.join("; "), mend)
}

fn lockdown() -> Finding {
    const WHAT: &str = "lockdown";
    let Ok(text) = fs::read_to_string("/sys/kernel/security/lockdown") else {
        return Finding::ok(WHAT, "not in this kernel");
    };
    let chosen = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    match chosen.map_or("none", |(chosen, _)| chosen) {
        "confidentiality" => Finding::degraded(
            WHAT,
            "confidentiality: the kernel lets no program read its memory",
            "boot with lockdown=integrity or none for the kernel's own signals",
        ),
        other => Finding::ok(WHAT, other),
    }
}

fn seccomp() -> Finding {
    const WHAT: &str = "seccomp";
    match status("Seccomp").as_deref() {
        Some("0") | None => Finding::ok(WHAT, "off"),
        // What it forbids shows in the parts that it forbids.
        Some(_) => Finding::ok(WHAT, "on; what it forbids shows below"),
    }
}

fn cgroups() -> Finding {
    let is_v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    Finding::ok("cgroups", if is_v2 { "version 2" } else { "version 1" })
}

/// No log is older than this program, and an index of the year 1970 helps nobody.
const OLDEST: Duration = Duration::from_hours(490_000);

fn clock() -> Finding {
    const WHAT: &str = "clock";
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if since < OLDEST {
        return Finding::broken(
            WHAT,
            "it is before this program was written, and so would be the names of indices",
            "set it, and start a time service (chrony, systemd-timesyncd)",
        );
    }
    match sys::clock_error() {
        Some(error) => Finding::ok(WHAT, format!("kept by a time service, within {error:?}")),
        None => Finding::degraded(
            WHAT,
            "no time service keeps it; times of lines differ between nodes",
            "start one (chrony, systemd-timesyncd); a virtual machine's host may do it instead",
        ),
    }
}

/// A line of this process's status.
fn status(name: &str) -> Option<String> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let value =
        |line: &str| line.strip_prefix(name)?.strip_prefix(':').map(|rest| rest.trim().to_owned());
    text.lines().find_map(value)
}
