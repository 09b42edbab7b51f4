//! An image made here: no registry is asked.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::IMAGE;
use super::engine::docker;
use crate::process::on_path;
use crate::workspace::release_binary;

/// The load generator's program.
const LOAD: &str = "sluice-bench";

/// Makes [`IMAGE`] in the engine at `host`, of busybox and the built load generator.
pub(crate) fn load(host: &str) -> Result<()> {
    let root =
        TempDir::with_prefix("sluice-image-").context("cannot make a temporary directory")?;
    fill(root.path())?;
    let layer = root.path().with_extension("tar");
    let made = archive(root.path(), &layer).and_then(|()| import(host, &layer));
    fs::remove_file(&layer).ok();
    made
}

fn fill(root: &Path) -> Result<()> {
    for directory in ["bin", "etc", "proc", "sys", "dev", "tmp", "var/log"] {
        fs::create_dir_all(root.join(directory))?;
    }
    let busybox = on_path("busybox").context("no busybox; apt-get install busybox-static")?;
    place(&busybox, &root.join("bin/busybox"))?;
    let applets = Command::new(&busybox).arg("--list").output().context("cannot run busybox")?;
    for applet in String::from_utf8_lossy(&applets.stdout).lines().filter(|name| *name != "busybox")
    {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    let load = release_binary(LOAD);
    place(&load, &root.join("bin").join(LOAD))?;
    for program in [&busybox, &load] {
        for library in libraries(program)? {
            let relative = library.strip_prefix("/").context("a library without a full path")?;
            place(&library, &root.join(relative))?;
        }
    }
    Ok(())
}

fn archive(root: &Path, layer: &Path) -> Result<()> {
    let status = Command::new("tar")
        .args(["--owner=0", "--group=0", "--mtime=@0", "--sort=name", "--create", "--file"])
        .arg(layer)
        .arg("--directory")
        .arg(root)
        .arg(".")
        .status()
        .context("cannot start tar")?;
    ensure!(status.success(), "tar ended with {status}");
    Ok(())
}

fn import(host: &str, layer: &Path) -> Result<()> {
    let output = docker(host)
        .args(["import", "--change", "ENV PATH=/bin", "--change", "CMD [\"/bin/sh\"]"])
        .arg(layer)
        .arg(IMAGE)
        .stdin(Stdio::null())
        .output()
        .context("cannot start docker")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{host} does not take the image: {}", said.trim_end());
    Ok(())
}

/// What the dynamic loader would bring in, with itself; nothing for a static program.
pub(crate) fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("cannot start ldd")?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        // "libc.so.6 => /lib/…/libc.so.6 (0x…)" and "/lib64/ld-linux-x86-64.so.2 (0x…)"
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
        .filter(|path| path.exists() && path != program)
        .collect())
}

fn place(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
        .map(drop)
}
