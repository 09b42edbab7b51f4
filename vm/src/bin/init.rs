//! The first process of a virtual machine, or of a mount namespace on this machine's own kernel.
//!
//! It carries out the plan, runs the program, and leaves a report. In a machine it then switches
//! off. Whatever goes wrong before is in the report or, if that cannot be written, on the console;
//! if all fails, the end of the first process is a panic, which ends the machine too.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};
use rustix::system::{RebootCommand, init_module, reboot, uname};
use rustix::termios::{OptionalActions, tcdrain, tcgetattr, tcsetattr};
use sluice_vm::contract::{
    Disk, End, PLACES, PLAN_PATH, Place, Plan, RESULT, RESULT_BYTES_MAX, Report,
};

/// From loading a driver to its disks: emulated, on a busy machine.
const DISK_PATIENCE: Duration = Duration::from_secs(10);
const DISK_POLL: Duration = Duration::from_millis(10);

/// What a distribution would mount before anything runs; those a kernel lacks are left out.
const BASE: &[(&str, &str)] = &[
    ("devtmpfs", "/dev"),
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("tmpfs", "/tmp"),
    ("tmpfs", "/run"),
    ("cgroup2", "/sys/fs/cgroup"),
    ("bpf", "/sys/fs/bpf"),
    ("debugfs", "/sys/kernel/debug"),
    ("tracefs", "/sys/kernel/tracing"),
    ("securityfs", "/sys/kernel/security"),
];

fn main() -> ExitCode {
    let in_machine = std::process::id() == 1;
    let done = if in_machine { machine() } else { namespace() };
    if let Err(error) = &done {
        eprintln!("init: {error:#}");
    }
    if in_machine {
        // Without ACPI, or on an error, the end of this process does it.
        let _ = reboot(RebootCommand::PowerOff);
    }
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn machine() -> Result<()> {
    for (file_system, target) in BASE {
        match mount_at(file_system, file_system, Path::new(target), "") {
            // Without the option, or `debugfs` under lockdown.
            Err(error) if matches!(*file_system, "devtmpfs" | "proc" | "sysfs" | "tmpfs") => {
                return Err(error);
            }
            _ => {}
        }
    }
    let plan = read_plan(Path::new(PLAN_PATH))?;
    let port = File::options().write(true).open(&plan.report);
    let mut port = port.with_context(|| format!("cannot open {}", plan.report.display()))?;
    raw(&port)?;
    for module in &plan.modules {
        load(module);
    }
    fs::create_dir_all(&plan.mounts)?;
    carry_out(&plan, &mut port)?;
    tcdrain(&port).context("cannot drain the port")
}

/// In a mount namespace that xtask made, so what is mounted here ends with us.
fn namespace() -> Result<()> {
    let plan = std::env::args_os().nth(1).map(PathBuf::from).context("which plan?")?;
    let plan = read_plan(&plan)?;
    let mut report = File::create(&plan.report)?;
    carry_out(&plan, &mut report)
}

fn read_plan(path: &Path) -> Result<Plan> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no plan", path.display()))
}

fn carry_out(plan: &Plan, report: &mut File) -> Result<()> {
    Report::write_release(report, &uname().release().to_string_lossy())?;
    let places = serde_json::to_string(&places(plan))?;
    let end = run(plan, &places).unwrap_or_else(|error| End::Refused(format!("{error:#}")));
    if let Some(result) = read_result(&plan.result)? {
        Report::write_result(report, &result)?;
    }
    Report::write_end(report, &end)?;
    Ok(())
}

fn run(plan: &Plan, places: &str) -> Result<End> {
    let child = Command::new(&plan.program)
        .args(&plan.arguments)
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env(PLACES, places)
        .env(RESULT, &plan.result)
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", plan.program.display()))?;
    let child = Pid::from_child(&child);
    loop {
        // Orphans are ours in a machine, and a test that waits for their end wants it seen.
        match waitpid(None, WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == child => return Ok(end(status)),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait"),
        }
    }
}

fn end(status: WaitStatus) -> End {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => End::Exit(code),
        (None, Some(signal)) => End::Signal(signal),
        (None, None) => End::Refused("it neither exited nor was killed".into()),
    }
}

fn read_result(path: &Path) -> Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("cannot open the result"),
    };
    let mut result = Vec::new();
    file.take(RESULT_BYTES_MAX as u64 + 1).read_to_end(&mut result)?;
    ensure!(result.len() <= RESULT_BYTES_MAX, "the result is beyond {RESULT_BYTES_MAX} bytes");
    Ok(Some(result))
}

/// The line discipline would turn line feeds into two bytes.
fn raw(port: &File) -> Result<()> {
    let mut settings = tcgetattr(port).context("the report's port is no terminal")?;
    settings.make_raw();
    tcsetattr(port, OptionalActions::Now, &settings).context("cannot set the port to raw")
}

/// A module that this machine has no use for (an instruction set, a device) says so by an error,
/// and what needs it will name what it lacks.
fn load(module: &Path) {
    let done = fs::read(module).map_err(anyhow::Error::from).and_then(|image| {
        match init_module(&image, c"") {
            Ok(()) | Err(Errno::EXIST | Errno::NODEV) => Ok(()),
            Err(error) => Err(error.into()),
        }
    });
    if let Err(error) = done {
        eprintln!("init: cannot load {}: {error}", module.display());
    }
}

/// Every file system that tests run on, there or not.
fn places(plan: &Plan) -> Vec<Place> {
    let mut places: Vec<_> = plan
        .disks
        .iter()
        .map(|disk| place(plan, &disk.file_system, |target| mount_disk(disk, target)))
        .collect();
    places.push(place(plan, "tmpfs", |target| mount_at("tmpfs", "tmpfs", target, "")));
    // As container engines have it: everything on one file system, the first of the disks.
    let below = places.iter().find_map(|place| place.path.clone().ok());
    let below = below.unwrap_or_else(|| plan.mounts.clone()).join("overlay");
    let overlay = place(plan, "overlay", |target| mount_overlay(&below, target));
    // What is followed from outside of a container: the same files, not through its mount.
    let upper =
        Place { name: "upper".into(), follow: Some(below.join("upper")), ..overlay.clone() };
    places.extend([overlay, upper]);
    places
}

fn place(plan: &Plan, name: &str, mount: impl FnOnce(&Path) -> Result<()>) -> Place {
    let target = plan.mounts.join(name);
    let done = mount(&target).map(|()| target).map_err(|error| format!("{error:#}"));
    Place { name: name.to_owned(), path: done, follow: None }
}

fn mount_disk(disk: &Disk, target: &Path) -> Result<()> {
    match &disk.image {
        None => mount_at(&find_disk(&disk.file_system)?, &disk.file_system, target, ""),
        Some(image) => mount_image(image, &disk.file_system, target),
    }
}

/// Its device, known by the serial number.
fn find_disk(serial: &str) -> Result<String> {
    let deadline = Instant::now() + DISK_PATIENCE;
    loop {
        for entry in fs::read_dir("/sys/block").context("cannot list /sys/block")? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let device = format!("/dev/{name}");
            let found = fs::read_to_string(format!("/sys/block/{name}/serial"));
            if found.is_ok_and(|found| found.trim() == serial) && Path::new(&device).exists() {
                return Ok(device);
            }
        }
        ensure!(Instant::now() < deadline, "no disk with the serial number {serial}");
        thread::sleep(DISK_POLL);
    }
}

/// By `mount`, which sets up a loop device that goes away with the mount.
fn mount_image(image: &Path, file_system: &str, target: &Path) -> Result<()> {
    fs::create_dir_all(target)?;
    let output = Command::new("mount")
        .args(["-t", file_system, "-o", "loop"])
        .args([image, target])
        .output()
        .context("cannot start mount")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.trim().replace('\n', " "));
    Ok(())
}

fn mount_overlay(below: &Path, target: &Path) -> Result<()> {
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| below.join(name));
    for directory in [&lower, &upper, &work] {
        fs::create_dir_all(directory)?;
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    mount_at("overlay", "overlay", target, &options)
}

fn mount_at(source: &str, file_system: &str, target: &Path, options: &str) -> Result<()> {
    fs::create_dir_all(target).with_context(|| format!("cannot make {}", target.display()))?;
    let options = std::ffi::CString::new(options)?;
    mount(source, target, file_system, MountFlags::empty(), options.as_c_str())
        .with_context(|| format!("cannot mount {file_system} at {}", target.display()))
}
