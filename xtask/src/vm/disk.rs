//! An empty file system in a file, for each that tests run on.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::on_path;

/// Sparse: a few MiB are really used. `mkfs.xfs` refuses less than 300 MiB.
const IMAGE_BYTES: u64 = 512 << 20;

/// What the oldest kernel of the matrix can read; each line for xfsprogs that know its options, the
/// newest first. (The files for this in /usr/share/xfsprogs/mkfs do not parse in xfsprogs 6.1.)
const XFS_OPTIONS: &[&[&str]] = &[
    &["-m", "bigtime=0,inobtcount=0", "-i", "nrext64=0,exchange=0", "-n", "parent=0"],
    &["-m", "bigtime=0,inobtcount=0", "-i", "nrext64=0"],
    &["-m", "bigtime=0,inobtcount=0"],
];

/// Those with a disk; tmpfs and overlay need none.
pub(super) const FILE_SYSTEMS: [&str; 3] = ["ext4", "xfs", "btrfs"];

pub(super) fn make(directory: &Path, file_system: &str) -> Result<PathBuf> {
    let image = directory.join(format!("{file_system}.img"));
    File::create(&image)
        .and_then(|file| file.set_len(IMAGE_BYTES))
        .with_context(|| format!("cannot make {}", image.display()))?;
    let program = format!("mkfs.{file_system}");
    // By its path: a user's $PATH may lack the sbin directories.
    let path = on_path(&program).with_context(|| format!("no {program}"))?;
    let choices: &[&[&str]] = match file_system {
        "ext4" => &[&["-F"]],
        "xfs" => XFS_OPTIONS,
        _ => &[&[]],
    };
    let mut said = String::new();
    for options in choices {
        let output = Command::new(&path).arg("-q").args(*options).arg(&image).output();
        let output = output.with_context(|| format!("cannot start {program}"))?;
        if output.status.success() {
            return Ok(image);
        }
        said = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    bail!("{program} {}: {}", image.display(), said.trim())
}
