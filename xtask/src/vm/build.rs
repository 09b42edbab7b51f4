//! Programs that run where there is nothing but a kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Arguments;
use crate::artifact::{self, Artifact};
use crate::workspace;

/// glibc's own static library: it comes with any C compiler, where musl would be a target to
/// install. Named in full, so that build scripts and macros are not linked that way.
const TARGET: &str = "x86_64-unknown-linux-gnu";

const OURS: &str = "sluice-vm";
const INIT: &str = "sluice-vm-init";
const WRITERS: &str = "sluice-vm-writers";

pub(super) struct Programs {
    pub(super) init: PathBuf,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
}

pub(super) fn programs(arguments: &Arguments) -> Result<Programs> {
    let features = arguments.features.as_deref();
    let init = link(OURS, "bin", INIT, None)?;
    let built = match (&arguments.bin, &arguments.test) {
        (Some(bin), _) => Some(named(bin, "bin", features)?),
        (None, Some(test)) => Some(named(test, "test", features)?),
        (None, None) if arguments.program.is_empty() => Some(link(OURS, "bin", WRITERS, None)?),
        (None, None) => None,
    };
    let (program, rest) = match (built, arguments.program.split_first()) {
        (Some(program), _) => (program, &arguments.program[..]),
        (None, Some((program, rest))) => {
            (fs::canonicalize(program).with_context(|| format!("no program {program}"))?, rest)
        }
        (None, None) => anyhow::bail!("no program"),
    };
    let bytes = fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
    ensure!(
        !wants_interpreter(&bytes).with_context(|| format!("strange {}", program.display()))?,
        "{} wants a dynamic linker, which a machine lacks; build it by --bin or --test, or with \
         RUSTFLAGS=-Ctarget-feature=+crt-static and --target {TARGET}",
        program.display()
    );
    Ok(Programs { init, program, arguments: rest.to_vec() })
}

fn named(name: &str, kind: &str, features: Option<&str>) -> Result<PathBuf> {
    let (package, name) = name.split_once(':').context("expected PACKAGE:NAME")?;
    link(package, kind, name, features)
}

/// With the profile of the suites, in a directory of its own: other flags would else build
/// everything anew each time.
fn link(package: &str, kind: &str, name: &str, features: Option<&str>) -> Result<PathBuf> {
    eprintln!("xtask: building {name}, statically");
    let mut command = Command::new(workspace::cargo());
    match kind {
        "test" => command.args(["test", "--no-run"]),
        _ => command.arg("build"),
    };
    command
        .args(["--profile", "checks", "--target", TARGET, "--package", package])
        .args([&format!("--{kind}"), name])
        .arg("--target-dir")
        .arg(workspace::target().join("vm"))
        .env("RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        // Each boot copies and unpacks it; the names of functions stay.
        .env("CARGO_PROFILE_CHECKS_STRIP", "debuginfo")
        .current_dir(workspace::root());
    if let Some(features) = features {
        command.args(["--features", features]);
    }
    let artifacts = artifact::build(&mut command)?;
    let found = artifacts.into_iter().find(|artifact| artifact.name == name && artifact.is(kind));
    found.map(|Artifact { executable, .. }| executable).with_context(|| {
        format!("cargo built no {kind} {name}; is it in {}?", Path::new(package).display())
    })
}

/// Whether an ELF file of 64 bits has a program header `PT_INTERP`.
fn wants_interpreter(elf: &[u8]) -> Result<bool> {
    const PT_INTERP: u32 = 3;
    let number = |at: usize, length: usize| -> Result<u64> {
        let bytes = elf.get(at..at.saturating_add(length)).context("cut short")?;
        Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    };
    ensure!(elf.starts_with(b"\x7fELF\x02\x01"), "not an x86_64 program");
    let (start, size, count) = (number(32, 8)? as usize, number(54, 2)?, number(56, 2)?);
    for index in 0..count {
        let at = start.saturating_add((index * size) as usize);
        if number(at, 4)? == u64::from(PT_INTERP) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_is_known() {
        // Tests are linked as their toolchain has it, which is dynamically here.
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(wants_interpreter(&own).unwrap());
        assert!(wants_interpreter(&own[..64]).is_err());
        assert!(wants_interpreter(b"#!/bin/sh").is_err());
        let mut none = own[..64].to_vec();
        none[56..58].fill(0);
        assert!(!wants_interpreter(&none).unwrap());
    }
}
