//! Why the kernel did not take something, in words that a person can act on.

use std::error::Error;
use std::fs;
use std::io;

use aya::maps::MapError;
use aya::programs::{KProbeError, ProgramError};
use rustix::io::Errno;

use super::table::{Hook, Variant};

/// A variant that could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub variant: Variant,
    /// One sentence without a full stop: what was refused, why, and what would help.
    pub reason: String,
}

/// Something between `fentry` and the kernel's own code that has no name in user space.
const ENOTSUPP: i32 = 524;

/// `CAP_SYS_ADMIN`, `CAP_PERFMON`, `CAP_BPF`, as bits of `CapEff`.
const SYS_ADMIN: u64 = 1 << 21;
const PERFMON: u64 = 1 << 38;
const BPF: u64 = 1 << 39;

/// What of this process and machine decides about programs.
#[derive(Debug, Default)]
struct Circumstances {
    capabilities: Option<u64>,
    has_seccomp: bool,
    lockdown: Option<String>,
    perf_event_paranoid: Option<i32>,
}

impl Circumstances {
    fn read() -> Self {
        // Of this thread: all others may have dropped what it keeps.
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let field =
            |name: &str| status.lines().find_map(|line| Some(line.strip_prefix(name)?.trim()));
        let lockdown = fs::read_to_string("/sys/kernel/security/lockdown").ok();
        let paranoid = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok();
        Self {
            capabilities: field("CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok()),
            has_seccomp: field("Seccomp:").is_some_and(|mode| mode != "0"),
            lockdown: lockdown.as_deref().and_then(chosen).map(str::to_owned),
            perf_event_paranoid: paranoid.and_then(|text| text.trim().parse().ok()),
        }
    }

    fn is_confidential(&self) -> bool {
        self.lockdown.as_deref() == Some("confidentiality")
    }

    /// Why a system call about programs or maps answers EPERM.
    fn why_not_permitted(&self) -> String {
        let has = |bit: u64| self.capabilities.is_some_and(|bits| bits & (bit | SYS_ADMIN) != 0);
        let missing: Vec<&str> = [(BPF, "CAP_BPF"), (PERFMON, "CAP_PERFMON")]
            .into_iter()
            .filter_map(|(bit, name)| (!has(bit)).then_some(name))
            .collect();
        if self.capabilities.is_some() && !missing.is_empty() {
            return format!(
                "the agent lacks {} (before Linux 5.8: CAP_SYS_ADMIN); add it to the service or \
                 container",
                missing.join(" and ")
            );
        }
        if self.is_confidential() {
            return "kernel lockdown is `confidentiality`, which forbids to read the kernel's \
                    memory; `lockdown=integrity` on the kernel's command line allows it"
                .to_owned();
        }
        if self.has_seccomp {
            return "not permitted although the capabilities are there; a seccomp filter is in \
                    force, which has to let bpf and perf_event_open through"
                .to_owned();
        }
        "not permitted although the capabilities are there; this kernel or a security module \
         forbids it"
            .to_owned()
    }
}

/// The word in brackets.
fn chosen(text: &str) -> Option<&str> {
    Some(text.split_once('[')?.1.split_once(']')?.0)
}

/// Why maps could not be made or the object not be taken.
pub(super) fn of_object(error: &(dyn Error + 'static)) -> String {
    match errno_in(error) {
        Some(Errno::PERM | Errno::ACCESS) => Circumstances::read().why_not_permitted(),
        Some(Errno::NOSYS) => "this kernel has no bpf (CONFIG_BPF_SYSCALL), or a seccomp filter \
                               hides it"
            .to_owned(),
        Some(Errno::NOMEM) => "no memory for the maps (or RLIMIT_MEMLOCK before Linux 5.11)".into(),
        Some(Errno::INVAL) => {
            format!("this kernel has no ring buffer or other map (needs Linux 5.8): {}", all(error))
        }
        _ => all(error),
    }
}

/// Why `hook` could not be had.
pub(super) fn of_hook(variant: Variant, hook: &Hook, error: &ProgramError) -> String {
    let place = hook.place;
    let errno = errno_in(error);
    match error {
        ProgramError::LoadError { verifier_log, .. } => match (errno, last_line(verifier_log)) {
            (Some(Errno::PERM), _) => {
                format!("{place}: {}", Circumstances::read().why_not_permitted())
            }
            // The verifier is let down by a helper that is not there then.
            _ if Circumstances::read().is_confidential() => {
                format!("{place}: {}", Circumstances::read().why_not_permitted())
            }
            (Some(errno), None) => format!("{place}: the kernel refuses the program: {errno}"),
            (_, line) => {
                format!(
                    "{place}: the kernel's verifier refuses the program: {}",
                    line.unwrap_or_default()
                )
            }
        },
        ProgramError::Btf(_) => format!("{place}: not among the functions in this kernel's BTF"),
        ProgramError::KProbeError(KProbeError::FileError { filename, .. }) => {
            format!("this kernel has no kprobes (CONFIG_KPROBE_EVENTS): no {}", filename.display())
        }
        _ => format!("{place}: {}", of_attach(variant, errno, error)),
    }
}

fn of_attach(variant: Variant, errno: Option<Errno>, error: &ProgramError) -> String {
    if error_number(error) == Some(ENOTSUPP) {
        return "this kernel cannot attach to functions (error 524; arm64 needs Linux 6.4)".into();
    }
    match (variant, errno) {
        (Variant::Tracepoint, Some(Errno::NOENT)) => "this kernel has no such tracepoint".into(),
        (Variant::Kprobe, Some(Errno::NOENT)) => {
            "no kprobe can be put there: no such function, or no kprobes in this kernel".into()
        }
        (Variant::Kprobe, Some(Errno::ACCESS | Errno::PERM)) => {
            let circumstances = Circumstances::read();
            match circumstances.perf_event_paranoid {
                Some(level) if level > 2 => format!(
                    "kernel.perf_event_paranoid is {level}, which asks for CAP_SYS_ADMIN; allow it \
                     with: sysctl -w kernel.perf_event_paranoid=2"
                ),
                _ => circumstances.why_not_permitted(),
            }
        }
        (_, Some(Errno::ACCESS | Errno::PERM)) => Circumstances::read().why_not_permitted(),
        (Variant::Fexit, Some(Errno::BUSY)) => "another tool holds this function".into(),
        _ => all(error),
    }
}

/// Messages of an error and of what caused it, without repetition.
pub(super) fn all(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let message = inner.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        source = inner.source();
    }
    text
}

fn error_number(error: &(dyn Error + 'static)) -> Option<i32> {
    let mut error = Some(error);
    while let Some(inner) = error {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return io.raw_os_error();
        }
        // These show what they hold as if it were theirs, and so hide it from `source`.
        if let Some(ProgramError::IOError(io)) = inner.downcast_ref() {
            return io.raw_os_error();
        }
        if let Some(MapError::IoError(io)) = inner.downcast_ref() {
            return io.raw_os_error();
        }
        error = inner.source();
    }
    None
}

fn errno_in(error: &(dyn Error + 'static)) -> Option<Errno> {
    // Numbers above the highest of user space have no `Errno`.
    error_number(error).filter(|number| (1..512).contains(number)).map(Errno::from_raw_os_error)
}

/// Of the verifier's log, what it stumbled over: the last line that is no figure.
fn last_line(log: &impl std::fmt::Display) -> Option<String> {
    let log = log.to_string();
    let is_word = |line: &&str| {
        !line.is_empty()
            && !line.starts_with("processed ")
            && !line.starts_with("verification time")
            && !line.starts_with("stack depth ")
    };
    log.lines().map(str::trim).rev().find(is_word).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_to_do() {
        let check = |circumstances: &Circumstances, expect: &str| {
            let why = circumstances.why_not_permitted();
            assert!(why.contains(expect), "{why}");
        };
        let all = Some(u64::MAX);
        check(
            &Circumstances { capabilities: Some(0), ..Default::default() },
            "CAP_BPF and CAP_PERF",
        );
        check(
            &Circumstances { capabilities: Some(BPF), ..Default::default() },
            "lacks CAP_PERFMON",
        );
        let lockdown = Some("confidentiality".into());
        check(&Circumstances { capabilities: all, lockdown, ..Default::default() }, "integrity");
        check(
            &Circumstances { capabilities: all, has_seccomp: true, ..Default::default() },
            "seccomp",
        );
        check(
            &Circumstances { capabilities: Some(SYS_ADMIN), ..Default::default() },
            "this kernel",
        );
    }

    #[test]
    fn reads_the_kernels_words() {
        assert_eq!(chosen("none [integrity] confidentiality\n"), Some("integrity"));
        assert_eq!(chosen("none"), None);
        let log = "0: R1=ctx()\n1: (79) r6 = *(u64 *)(r1 +0)\ninvalid access\n\
                   verification time 4 usec\nprocessed 2 insns (limit 1)\n\n";
        assert_eq!(last_line(&log).as_deref(), Some("invalid access"));
        assert_eq!(last_line(&"\n"), None);
    }

    #[test]
    fn numbers_of_the_kernel_alone_are_no_errno() {
        let error = ProgramError::IOError(io::Error::from_raw_os_error(ENOTSUPP));
        assert_eq!(errno_in(&error), None);
        let reason = of_attach(Variant::Fexit, None, &error);
        assert!(reason.contains("6.4"), "{reason}");
    }
}
