//! An open log file and what identifies it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, Statx, StatxFlags};
use serde::{Deserialize, Serialize};

use super::archive::Archive;
use crate::encode::Raw;

/// The inode with its generation. The birth time tells a reused inode number from the old file;
/// the device is left out because its number is not the same after a reboot, and a source's files
/// share one directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId {
    pub inode: u64,
    /// Nanoseconds since the Unix epoch; 0 where the file system keeps none.
    pub birth_ns: i64,
}

impl FileId {
    /// Whether an equal id means the same file even though nobody held it open in between.
    pub fn is_lasting(&self) -> bool {
        self.birth_ns != 0
    }
}

/// One look at a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub id: FileId,
    pub size: u64,
    /// 0 once it is deleted.
    pub links: u32,
    pub is_regular: bool,
}

/// A log file, open for as long as it has unread or unacknowledged bytes.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    /// Not on a local disk, so every touch may hang.
    pub is_remote: bool,
    /// Number of the device that it lies on, so that mounts can be kept apart.
    pub device: u64,
    pub archive: Option<Archive>,
}

impl OpenFile {
    /// Opens for reading. Refuses what is no regular file; follows no link at the last component
    /// and does not wait for a FIFO's writer.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_at(rustix::fs::CWD, path)
    }

    /// The same from an open directory on.
    pub fn open_at(directory: impl AsFd, name: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(directory, name, flags, Mode::empty())?);
        Self::from_file(file)
    }

    /// Takes a descriptor that somebody opened already.
    pub fn from_file(file: File) -> io::Result<Self> {
        if !stat(&file)?.is_regular {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let is_remote = is_remote(&file);
        let device = file.metadata()?.dev();
        Ok(Self { file, is_remote, device, archive: None })
    }

    pub fn stat(&self) -> io::Result<Stat> {
        stat(&self.file)
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl Raw for OpenFile {
    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}

/// What stands under a name now; a link is not followed.
pub(super) fn stat_of(directory: impl AsFd, name: &str) -> io::Result<Stat> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    Ok(stat_by(rustix::fs::statx(directory, name, flags, STAT_WANTED)?))
}

/// What a path leads to.
pub fn id_of(path: &Path) -> io::Result<FileId> {
    Ok(stat_by(rustix::fs::statx(rustix::fs::CWD, path, AtFlags::empty(), STAT_WANTED)?).id)
}

pub(super) fn stat(file: impl AsFd) -> io::Result<Stat> {
    Ok(stat_by(rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, STAT_WANTED)?))
}

const STAT_WANTED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

fn stat_by(found: Statx) -> Stat {
    let has_birth = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
    let birth_ns = if has_birth {
        found.stx_btime.tv_sec * 1_000_000_000 + i64::from(found.stx_btime.tv_nsec)
    } else {
        0
    };
    let kind = rustix::fs::FileType::from_raw_mode(u32::from(found.stx_mode));
    Stat {
        id: FileId { inode: found.stx_ino, birth_ns },
        size: found.stx_size,
        links: found.stx_nlink,
        is_regular: kind == rustix::fs::FileType::RegularFile,
    }
}

/// File systems that answer from memory or a local disk. Anything unknown counts as remote: it
/// costs a detour, while a wrong guess the other way can hang a worker.
const LOCAL_MAGICS: [u64; 9] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683e, // btrfs
    0x0102_1994, // tmpfs
    0x794c_7630, // overlay
    0xf2f5_2010, // f2fs
    0x2fc1_2fc1, // zfs
    0xca45_1a4e, // bcachefs
    0x8584_58f6, // ramfs
];

fn is_remote(file: impl AsFd) -> bool {
    match rustix::fs::fstatfs(file) {
        Ok(found) => !LOCAL_MAGICS.contains(&(found.f_type as u64 & 0xffff_ffff)),
        Err(_) => true,
    }
}

/// A handle that workers, batches and pending reads share.
pub(super) type Shared = Arc<OpenFile>;
