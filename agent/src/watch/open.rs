//! Opening and reading what appears in a container's directory, before it is gone again.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, StatxFlags};

/// A container's description: a few KiB, with a megabyte of environment (the kernel's limit for
/// one process is 2 MiB of arguments and environment, escaped at most sixfold).
const DESCRIPTION_BYTES_MAX: u64 = 16 << 20;

pub(crate) const CONFIG_NAME: &str = "config.v2.json";
pub(crate) const HOST_CONFIG_NAME: &str = "hostconfig.json";

/// Opens a log for reading; `None` if it is gone, no regular file, or a link.
pub(super) fn open_log(path: &Path) -> Option<(File, FileKey)> {
    // Without waiting for the writer of a FIFO that someone put here.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let stat = rustix::fs::fstat(&file).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let key = FileKey { device: stat.st_dev, inode: stat.st_ino, born: born(&file) };
    Some((file.into(), key))
}

/// Tells apart the files that one directory held. With the time of birth, because a number is
/// given again as soon as its file is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileKey {
    device: u64,
    inode: u64,
    born: Option<(i64, u32)>,
}

/// `None` where the kernel or the file system keeps no time of birth.
pub(super) fn born(file: impl AsFd) -> Option<(i64, u32)> {
    let found = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME).ok()?;
    (found.stx_mask & StatxFlags::BTIME.bits() != 0)
        .then_some((found.stx_btime.tv_sec, found.stx_btime.tv_nsec))
}

pub(crate) fn read_description(path: &Path) -> Option<Vec<u8>> {
    let (file, _) = open_log(path)?;
    let mut bytes = Vec::with_capacity(8 << 10);
    file.take(DESCRIPTION_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

/// A full container id: 64 lower-case hex digits.
pub(crate) fn is_container_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
