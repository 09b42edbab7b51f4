//! Which inode an open file is, as the kernel's programs see it.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{FsWord, fstat, fstatfs};

/// An inode by its superblock's device and its number.
///
/// While a file is held open its inode cannot become another's. A slot that is kept longer costs a
/// needless look at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InodeId {
    /// `super_block.s_dev`: 12 bits of major, 20 of minor.
    pub device: u32,
    pub inode: u64,
}

/// File systems for which there is a way of hearing of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileSystem {
    /// And ext2 and ext3, which its driver serves.
    Ext4,
    Xfs,
    Btrfs,
    Tmpfs,
    /// Local, and heard of by the functions of the VFS only. The number is `statfs.f_type`.
    Other(u64),
}

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("cannot tell which inode it is: {0}")]
    Io(#[from] io::Error),
    /// Writes go to the real file below, which is another inode.
    #[error("it is on overlayfs; it has to be opened through its upper directory")]
    Overlay,
    /// Who writes there is not on this kernel.
    #[error("it is on {0}, where writes come from elsewhere")]
    Remote(&'static str),
    /// btrfs gives each subvolume a device number of its own, and the superblock's only stands in
    /// the table of mounts.
    #[error("its mount is not in /proc/self/mountinfo: it belongs to another mount namespace")]
    Mount,
}

/// An open file, as [`Kernel::follow`](super::Kernel::follow) wants to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub id: InodeId,
    pub file_system: FileSystem,
}

impl Identity {
    pub fn of(file: impl AsFd) -> Result<Self, IdentityError> {
        let stat = fstat(&file).map_err(io::Error::from)?;
        let file_system = match file_system(fstatfs(&file).map_err(io::Error::from)?.f_type) {
            Kind::Local(file_system) => file_system,
            Kind::Overlay => return Err(IdentityError::Overlay),
            Kind::Remote(name) => return Err(IdentityError::Remote(name)),
        };
        let device = if file_system == FileSystem::Btrfs {
            mount_device(&file)?
        } else {
            kernel_device(rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev))
        };
        Ok(Self { id: InodeId { device, inode: stat.st_ino }, file_system })
    }
}

impl std::fmt::Display for FileSystem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ext4 => out.write_str("ext4"),
            Self::Xfs => out.write_str("xfs"),
            Self::Btrfs => out.write_str("btrfs"),
            Self::Tmpfs => out.write_str("tmpfs"),
            Self::Other(magic) => write!(out, "file system {magic:#x}"),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Local(FileSystem),
    Overlay,
    Remote(&'static str),
}

/// By the numbers of `include/uapi/linux/magic.h` and, where a file system keeps its own to
/// itself, of its source.
fn file_system(magic: FsWord) -> Kind {
    // The type's width and sign are the architecture's; the numbers are of 32 bits.
    match magic as u64 & 0xffff_ffff {
        0xef53 => Kind::Local(FileSystem::Ext4),
        0x5846_5342 => Kind::Local(FileSystem::Xfs),
        0x9123_683e => Kind::Local(FileSystem::Btrfs),
        0x0102_1994 => Kind::Local(FileSystem::Tmpfs),
        0x794c_7630 => Kind::Overlay,
        0x6969 => Kind::Remote("NFS"),
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => Kind::Remote("SMB"),
        0x6573_5546 => Kind::Remote("FUSE"),
        0x0102_1997 => Kind::Remote("9p"),
        0x00c3_6400 => Kind::Remote("Ceph"),
        0x0bd0_0bd0 => Kind::Remote("Lustre"),
        other => Kind::Local(FileSystem::Other(other)),
    }
}

/// `MKDEV` of the kernel; user space's `dev_t` lies otherwise.
fn kernel_device(major: u32, minor: u32) -> u32 {
    major << 20 | minor & 0xf_ffff
}

fn mount_device(file: impl AsFd) -> Result<u32, IdentityError> {
    use std::os::fd::AsRawFd;
    let number = file.as_fd().as_raw_fd();
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}"))?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    mount_id(&info).and_then(|id| device_of_mount(&mounts, id)).ok_or(IdentityError::Mount)
}

fn mount_id(info: &str) -> Option<&str> {
    info.lines().find_map(|line| Some(line.strip_prefix("mnt_id:")?.trim()))
}

/// The third field of a line of mountinfo is the superblock's device.
fn device_of_mount(mounts: &str, id: &str) -> Option<u32> {
    let line = mounts.lines().find(|line| line.split(' ').next() == Some(id))?;
    let (major, minor) = line.split(' ').nth(2)?.split_once(':')?;
    Some(kernel_device(major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_encoded_as_in_the_kernel() {
        let check = |major, minor, expect| assert_eq!(kernel_device(major, minor), expect);
        check(0, 38, 0x26);
        check(8, 1, 0x0080_0001);
        check(254, 0x1_2345, 0x0fe1_2345);
        check(4095, 0xf_ffff, u32::MAX);
    }

    #[test]
    fn finds_the_device_of_a_mount() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                      30 22 0:40 /sub /data rw shared:2 - btrfs /dev/sdb rw,subvol=/sub\n\
                      31 22 bad\n";
        assert_eq!(device_of_mount(mounts, "30"), Some(40));
        assert_eq!(device_of_mount(mounts, "22"), Some(0x0080_0001));
        assert_eq!(device_of_mount(mounts, "3"), None);
        assert_eq!(device_of_mount(mounts, "31"), None);
        assert_eq!(mount_id("pos:\t0\nflags:\t02\nmnt_id:\t30\nino:\t7\n"), Some("30"));
        assert_eq!(mount_id("pos:\t0\n"), None);
    }

    #[test]
    fn knows_a_file_of_ours() {
        use std::os::unix::fs::MetadataExt;
        let file = tempfile::tempfile().unwrap();
        match Identity::of(&file) {
            Ok(identity) => assert_eq!(identity.id.inode, file.metadata().unwrap().ino()),
            Err(error) => assert!(matches!(error, IdentityError::Overlay), "{error}"),
        }
    }
}
