//! What a machine's memory holds when it starts: init, the program, modules, the plan.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sluice_vm::contract::{Disk, PLAN_PATH, Plan};

use super::build::Programs;
use super::cpio::Archive;
use super::disk::FILE_SYSTEMS;
use super::kernel::Kernel;

/// For the disks, and for every file system; `loop` for tests that make images themselves.
const MODULES: &[&str] = &["virtio_pci", "virtio_blk", "ext4", "xfs", "btrfs", "overlay", "loop"];

/// As the kernel looks for them.
const INIT: &str = "/init";
const PROGRAM: &str = "/program";

/// Not compressed: an emulated processor would take longer to undo that.
pub(super) fn make(kernel: &Kernel, programs: &Programs, more: &[String]) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for directory in ["/dev", "/proc", "/sys", "/tmp", "/run", "/mnt", "/modules"] {
        archive.directory(directory);
    }
    // The first process has no output until this is there, and devtmpfs is not mounted for it.
    archive.device("/dev/console", (5, 1));
    let known = kernel.modules()?;
    let wanted: Vec<_> = MODULES.iter().copied().chain(more.iter().map(String::as_str)).collect();
    let mut modules = Vec::new();
    for module in known.order(&wanted)? {
        let content = content(&kernel.module(module))?;
        let path = format!("/modules/{}.ko", modules.len());
        archive.file(&path, 0o644, &content);
        modules.push(PathBuf::from(path));
    }
    archive.file(INIT, 0o755, &read(&programs.init)?);
    archive.file(PROGRAM, 0o755, &read(&programs.program)?);
    let disks = FILE_SYSTEMS.map(|name| Disk { file_system: name.to_owned(), image: None });
    let plan = Plan {
        modules,
        disks: disks.to_vec(),
        mounts: "/mnt".into(),
        report: "/dev/ttyS1".into(),
        result: "/run/result".into(),
        program: PROGRAM.into(),
        arguments: programs.arguments.clone(),
    };
    archive.file(PLAN_PATH, 0o644, &serde_json::to_vec(&plan)?);
    Ok(archive.finish())
}

/// The module as the kernel takes it from memory.
fn content(path: &Path) -> Result<Vec<u8>> {
    let unpacker = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return read(path),
    };
    let output = Command::new(unpacker).args(["-d", "-c"]).arg(path).output();
    let output = output.with_context(|| format!("cannot start {unpacker}"))?;
    ensure!(output.status.success(), "{unpacker} cannot unpack {}", path.display());
    Ok(output.stdout)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
