//! One boot.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sluice_vm::contract::Report;

use super::console::Console;
use super::outcome::{Ended, Outcome};
use super::{Arguments, Job, Kernel, disk, initramfs};
use crate::process::{Running, tethered};

const POLL: Duration = Duration::from_millis(20);

/// qemu ends at once on SIGTERM, whatever its guest does.
const PATIENCE: Duration = Duration::from_secs(5);

/// A panic or an oops restarts at once, which `-no-reboot` makes the end. Tests of ciphers and of
/// the timer are for real hardware; here they only take their time.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 quiet panic=-1 oops=panic rdinit=/init \
                                cryptomgr.notests no_timer_check";

pub(super) fn run(job: &Job, kernel: &Kernel, arguments: &Arguments) -> Result<Outcome> {
    let work = &job.work;
    let initramfs = work.join("initramfs");
    fs::write(&initramfs, initramfs::make(kernel, job.programs, &arguments.size.modules)?)
        .context("cannot write the initramfs")?;
    let report = work.join("report");
    let mut command = qemu(kernel, &initramfs, &report, arguments);
    for name in disk::FILE_SYSTEMS {
        let image = disk::make(work, name)?;
        command
            .arg("-drive")
            // Nothing of it outlives the run, so nothing needs to reach this machine's disk.
            .arg(format!("if=none,id={name},format=raw,cache=unsafe,file={}", image.display()))
            .arg("-device")
            .arg(format!("virtio-blk-pci,drive={name},serial={name}"));
    }
    watch(job, &mut command, &report)
}

fn qemu(kernel: &Kernel, initramfs: &Path, report: &Path, arguments: &Arguments) -> Command {
    let mut command = tethered("qemu-system-x86_64");
    command
        .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
        .args(["-accel", "tcg", "-cpu", "max", "-machine", "q35"])
        // Above all no network.
        .args(["-nic", "none", "-monitor", "none"])
        .args([
            "-m",
            &arguments.size.memory.to_string(),
            "-smp",
            &arguments.size.processors.to_string(),
        ])
        .arg("-kernel")
        .arg(kernel.image())
        .arg("-initrd")
        .arg(initramfs)
        .args(["-append", KERNEL_ARGUMENTS])
        .args(["-serial", "stdio"])
        .arg("-serial")
        .arg(format!("file:{}", report.display()));
    command
}

/// Until it ends, or is ended; for `native` too.
pub(super) fn watch(job: &Job, command: &mut Command, report: &Path) -> Result<Outcome> {
    let (console, output, errors) = Console::open(job.name, job.aside, &job.work.join("console"))?;
    let start = Instant::now();
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let mut running = Running::start(job.name, command, PATIENCE)?;
    // It holds our ends of the console, which would otherwise never be closed.
    *command = Command::new("");
    let mut late = false;
    let status = loop {
        if let Some(status) = running.ended()? {
            break status;
        }
        if start.elapsed() > job.timeout {
            late = true;
            break running.end()?;
        }
        std::thread::sleep(POLL);
    };
    let seconds = start.elapsed().as_secs_f64();
    let panicked = console.panicked();
    let report = Report::parse(&fs::read(report).unwrap_or_default());
    let ended = match (report.end, panicked) {
        // A machine that hangs after that, or dies in switching off, has told all there is.
        (Some(end), _) => Ended::Program(end),
        (None, Some(line)) => Ended::Panicked(line),
        (None, None) if late => Ended::TimedOut(job.timeout),
        (None, None) => Ended::Lost(status),
    };
    let result = report.result.as_deref().map(value);
    Ok(Outcome { kernel: job.name, release: report.release, ended, result, seconds })
}

/// As JSON where it is, and as text where it is not.
fn value(result: &[u8]) -> serde_json::Value {
    serde_json::from_slice(result)
        .unwrap_or_else(|_| String::from_utf8_lossy(result).into_owned().into())
}
