//! A Rust toolchain that can build for the kernel's machine: it takes unstable options and has the
//! sources of `core`.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::process::on_path;

/// The version that the objects are built with; LLVM's version has to be the compiler's.
const LINKER_VERSION: &str = "0.10.3";

const HOW_TO: &str = "\
no toolchain here can build the kernel programs; two that can:
  Debian:  apt-get install rustc-web rust-web-src cargo-web llvm-22-dev libpolly-22-dev \\
             zlib1g-dev libzstd-dev
           LLVM_PREFIX=/usr/lib/llvm-22 LLVM_SYS_221_PREFIX=/usr/lib/llvm-22 \\
             RUSTFLAGS=-L/usr/lib/llvm-22/lib cargo install bpf-linker --version 0.10.3 \\
             --no-default-features --features llvm-22
  rustup:  rustup toolchain install nightly --component rust-src
           cargo install bpf-linker
Nobody needs it to build or use the agent: the objects are in ebpf/prebuilt.";

pub(super) struct Toolchain {
    pub(super) linker: PathBuf,
    pub(super) versions: Versions,
    kind: Kind,
}

/// What decides about the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Versions {
    /// First line of `rustc --version --verbose` and the line of LLVM.
    pub(super) rustc: String,
    pub(super) linker: String,
}

enum Kind {
    /// Debian's packages: a release that is told to take unstable options.
    System,
    /// rustup's nightly with `rust-src`.
    Nightly,
}

const SYSTEM_RUSTC: &str = "/usr/bin/rustc";
const SYSTEM_CARGO: &str = "/usr/bin/cargo";

impl Toolchain {
    pub(super) fn find() -> Result<Self> {
        let linker = on_path("bpf-linker")
            .or_else(|| Some(cargo_home()?.join("bin/bpf-linker")).filter(|path| path.exists()));
        let Some(linker) = linker else { bail!("no bpf-linker; {HOW_TO}") };
        let Some((kind, rustc)) = system().or_else(nightly) else { bail!(HOW_TO) };
        let linker_version = output(Command::new(&linker).arg("--version"))?;
        if !linker_version.contains(LINKER_VERSION) {
            eprintln!("xtask: {} is not {LINKER_VERSION}", linker_version.trim());
        }
        let versions = Versions { rustc, linker: linker_version.trim().to_owned() };
        Ok(Self { linker, versions, kind })
    }

    pub(super) fn cargo(&self) -> Command {
        let mut command = match self.kind {
            Kind::System => {
                let mut command = Command::new(SYSTEM_CARGO);
                command.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", SYSTEM_RUSTC);
                command
            }
            Kind::Nightly => {
                let mut command = Command::new("rustup");
                command.args(["run", "nightly", "cargo"]).env_remove("RUSTC");
                command
            }
        };
        // Those of the cargo that runs us are for another compiler.
        for name in ["RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO", "RUSTC_WRAPPER"] {
            command.env_remove(name);
        }
        command
    }
}

impl Display for Versions {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}, {}", self.rustc, self.linker)
    }
}

pub(super) fn cargo_home() -> Option<PathBuf> {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
}

fn system() -> Option<(Kind, String)> {
    if !Path::new(SYSTEM_CARGO).exists() {
        return None;
    }
    let rustc = usable(&mut Command::new(SYSTEM_RUSTC), &mut Command::new(SYSTEM_RUSTC))?;
    Some((Kind::System, rustc))
}

fn nightly() -> Option<(Kind, String)> {
    let rustc = || {
        let mut command = Command::new("rustup");
        command.args(["run", "nightly", "rustc"]).env_remove("RUSTUP_TOOLCHAIN");
        command
    };
    Some((Kind::Nightly, usable(&mut rustc(), &mut rustc())?))
}

/// The version of a compiler that has the sources of `core`.
fn usable(version: &mut Command, sysroot: &mut Command) -> Option<String> {
    let verbose = output(version.args(["--version", "--verbose"])).ok()?;
    let sysroot = output(sysroot.args(["--print", "sysroot"])).ok()?;
    let sources = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core");
    if !sources.exists() {
        return None;
    }
    let llvm = verbose.lines().find(|line| line.starts_with("LLVM version"))?;
    Some(format!("{}, {llvm}", verbose.lines().next()?))
}

fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    ensure!(output.status.success(), "{name} ended with {}", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{name} printed no text"))
}
