//! `cargo xtask build-ebpf`: the kernel programs, from their sources to `ebpf/prebuilt`.
//!
//! The objects are committed, so that building the agent needs neither the target nor a linker for
//! it. What they were made of is recorded beside them: a hash of the sources and the versions of
//! the tools. The same sources and tools give the same bytes; other tools may give others, so with
//! those `--check` can only say that the sources are the recorded ones and that they compile.

mod record;
mod toolchain;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};

use crate::workspace;
use record::Record;
use toolchain::Toolchain;

/// Arguments of functions are in other registers on each, hence an object for each.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

const TARGET: &str = "bpfel-unknown-none";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Build and compare with what is committed instead of replacing it
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.check { check() } else { build() }
}

fn build() -> Result<ExitCode> {
    let toolchain = Toolchain::find()?;
    let mut record = Record::of_sources(&toolchain.versions)?;
    fs::create_dir_all(prebuilt()).context("cannot make ebpf/prebuilt")?;
    for architecture in ARCHITECTURES {
        let object = compile(&toolchain, architecture)?;
        let path = prebuilt().join(object_name(architecture));
        fs::write(&path, &object).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}: {} bytes", path.display(), object.len());
        record.add_object(architecture, &object);
    }
    record.write()?;
    Ok(ExitCode::SUCCESS)
}

fn check() -> Result<ExitCode> {
    let recorded = Record::read()?;
    recorded.check_sources()?;
    for architecture in ARCHITECTURES {
        recorded.check_object(architecture, &committed(architecture)?)?;
    }
    println!("the sources are those that the objects were built of, says their record");
    let toolchain = Toolchain::find()?;
    let is_same = recorded.tools == toolchain.versions;
    for architecture in ARCHITECTURES {
        let built = compile(&toolchain, architecture)?;
        let is_equal = built == committed(architecture)?;
        match (is_equal, is_same) {
            (true, _) => println!("{architecture}: built anew, the same bytes"),
            (false, true) => bail!(
                "{}: the same sources and tools give other bytes; run cargo xtask build-ebpf",
                object_name(architecture)
            ),
            (false, false) => println!(
                "{architecture}: compiles; its bytes are others, as they may be with other tools:\n  \
                 recorded {}\n  here     {}",
                recorded.tools, toolchain.versions
            ),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn compile(toolchain: &Toolchain, architecture: &str) -> Result<Vec<u8>> {
    let directory = programs();
    let target = target_directory();
    let status = toolchain
        .cargo()
        .args(["build", "--release", "--locked", "--bins", "-Zbuild-std=core", "--target", TARGET])
        .arg("--target-dir")
        .arg(&target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain, architecture))
        .current_dir(&directory)
        .status()
        .with_context(|| format!("cannot start {}", toolchain.versions))?;
    ensure!(
        status.success(),
        "building the kernel programs for {architecture} ended with {status}"
    );
    let path = target.join(TARGET).join("release/sluice-ebpf-programs");
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// No path of this machine may end up in an object.
fn flags(toolchain: &Toolchain, architecture: &str) -> OsString {
    let mut flags = OsString::from(format!("--cfg=bpf_target_arch=\"{architecture}\""));
    let mut add = |flag: &str, value: &Path, replacement: &str| {
        flags.push("\x1f");
        flags.push(flag);
        flags.push(value);
        flags.push(replacement);
    };
    add("-Clinker=", &toolchain.linker, "");
    add("--remap-path-prefix=", workspace::root(), "=/sluice");
    if let Some(home) = toolchain::cargo_home() {
        add("--remap-path-prefix=", &home, "=/cargo");
    }
    flags
}

fn committed(architecture: &str) -> Result<Vec<u8>> {
    let path = prebuilt().join(object_name(architecture));
    fs::read(&path)
        .with_context(|| format!("cannot read {}; run cargo xtask build-ebpf", path.display()))
}

fn object_name(architecture: &str) -> String {
    format!("sluice-{architecture}.o")
}

fn prebuilt() -> PathBuf {
    workspace::root().join("ebpf/prebuilt")
}

fn programs() -> PathBuf {
    workspace::root().join("ebpf/programs")
}

/// Apart from the workspace's own, whose builds it would wait for.
fn target_directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace::root().join("target"), PathBuf::from);
    workspace::root().join(target).join("ebpf")
}

/// Whether someone has changed the programs and not built them. Without any toolchain.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_built_of_the_present_sources() {
        let recorded = Record::read().unwrap();
        recorded.check_sources().unwrap();
        for architecture in ARCHITECTURES {
            recorded.check_object(architecture, &committed(architecture).unwrap()).unwrap();
        }
    }

    #[test]
    fn no_path_of_a_machine_is_in_an_object() {
        for architecture in ARCHITECTURES {
            let object = committed(architecture).unwrap();
            let text = String::from_utf8_lossy(&object);
            assert!(!text.contains(".cargo") && !text.contains("/src/"), "{architecture}");
        }
    }
}
