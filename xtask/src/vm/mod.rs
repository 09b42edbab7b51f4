//! `cargo xtask vm`: a program as root on other kernels, each in a machine that qemu emulates.
//!
//! A machine has a Debian kernel, the modules of the file systems under test, a disk for each of
//! them, two serial ports and nothing else, above all no network. Its first process is
//! `sluice-vm-init`, which does as [`sluice_vm::contract::Plan`] says. Whatever happens in there,
//! the machine ends: with its program, with a panic, or by us when its time is up.
//!
//! The kernel `native` is the one that runs here: same plan, same init, in a mount namespace.

mod apt;
mod build;
mod console;
mod cpio;
mod disk;
mod initramfs;
mod kernel;
mod machine;
mod modules;
mod native;
mod outcome;
mod stanza;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

pub(crate) use self::kernel::fetch;

use self::build::Programs;
use self::kernel::{Choice, Kernel};
use self::outcome::{Ended, Outcome};
use crate::debian;

/// What a machine needs here, and the Debian packages that have it.
pub(crate) const PROGRAMS: &[(&str, &str)] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("mkfs.ext4", "e2fsprogs"),
    ("mkfs.xfs", "xfsprogs"),
    ("mkfs.btrfs", "btrfs-progs"),
    ("depmod", "kmod"),
    ("xz", "xz-utils"),
    ("dpkg-deb", "dpkg"),
    ("apt-get", "apt"),
    ("unshare", "util-linux"),
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// 5.10, 6.1, 6.12, backports (the newest of them), native; all, if none is named
    #[arg(long, value_delimiter = ',', value_name = "KERNEL,…")]
    kernel: Vec<Choice>,
    /// Build this program statically and run it; what follows `--` are its arguments
    #[arg(long, value_name = "PACKAGE:NAME", conflicts_with = "test")]
    bin: Option<String>,
    /// Build this integration test statically and run it
    #[arg(long, value_name = "PACKAGE:NAME")]
    test: Option<String>,
    /// Features for the build
    #[arg(long, value_name = "FEATURES")]
    features: Option<String>,
    #[command(flatten)]
    size: Size,
    #[command(flatten)]
    supply: Supply,
    /// Keep each machine's initramfs, disks, console and report, and say where
    #[arg(long)]
    keep: bool,
    /// The record to standard output, and all else to standard error
    #[arg(long)]
    json: bool,
    /// A statically linked program and its arguments; without it, writers × file systems
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<String>,
}

/// What a machine has.
#[derive(clap::Args)]
struct Size {
    /// A module of the kernel beside those of the file systems; may be repeated
    #[arg(long = "module", value_name = "NAME")]
    modules: Vec<String>,
    /// Seconds after which a machine is ended
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    timeout: u64,
    #[arg(long, default_value_t = 1024, value_name = "MIB")]
    memory: u32,
    /// More than one is for tests of what happens between processors: emulated ones spin while they
    /// wait for each other, and on a busy machine a boot takes three times as long
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    processors: u32,
}

/// Where what it needs comes from.
#[derive(clap::Args)]
struct Supply {
    /// Install what is missing (apt-get, as root)
    #[arg(long)]
    install: bool,
    /// Fetch the kernels anew, in case there are newer ones
    #[arg(long)]
    refresh: bool,
    /// The Debian mirror to fetch from, if apt here has none
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    ensure!(cfg!(target_arch = "x86_64"), "machines are for x86_64, and programs are built here");
    if arguments.supply.install {
        debian::install(PROGRAMS)?;
    }
    if let Some((program, package)) = debian::absent(PROGRAMS).first() {
        anyhow::bail!("no {program} here; `apt-get install {package}`, or --install as root");
    }
    let choices =
        if arguments.kernel.is_empty() { Choice::ALL.to_vec() } else { arguments.kernel.clone() };
    let programs = build::programs(arguments)?;
    let mut outcomes = Vec::new();
    for choice in choices {
        let outcome = one(choice, &programs, arguments);
        outcomes.push(outcome.unwrap_or_else(|error| {
            let ended = Ended::NotRun(format!("{error:#}"));
            Outcome { kernel: choice.name(), release: None, ended, result: None, seconds: 0.0 }
        }));
    }
    let whole = outcomes.iter().all(Outcome::is_success);
    outcome::report(&outcomes, arguments.json)?;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn one(choice: Choice, programs: &Programs, arguments: &Arguments) -> Result<Outcome> {
    let work = TempDir::with_prefix(format!("sluice-vm-{}-", choice.name()))
        .context("cannot make a temporary directory")?;
    let job = Job {
        name: choice.name(),
        work: work.path().to_owned(),
        programs,
        timeout: Duration::from_secs(arguments.size.timeout),
        aside: arguments.json,
    };
    let outcome = match choice.debian() {
        None => native::run(&job),
        Some(debian) => {
            let Supply { refresh, mirror, .. } = &arguments.supply;
            let kernel = kernel::fetch_if(debian, *refresh, mirror.as_deref())?;
            eprintln!("xtask: {}: booting {}", choice.name(), kernel.release);
            machine::run(&job, &kernel, arguments)
        }
    };
    if arguments.keep {
        eprintln!("xtask: {}: everything is in {}", choice.name(), work.keep().display());
    }
    outcome
}

/// One run of the program on one kernel.
struct Job<'a> {
    name: &'static str,
    work: PathBuf,
    programs: &'a Programs,
    timeout: Duration,
    /// Whether standard output is for the record alone.
    aside: bool,
}
