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

/// The id of a container out of the path of its cgroup: the last run of 64 hex digits, whatever
/// an engine and systemd put around it (`/docker/<id>`, `/kubepods/…/<id>`,
/// `/system.slice/docker-<id>.scope`, `…/cri-containerd-<id>.scope`).
pub(crate) fn container_id_in(cgroup: &str) -> Option<&str> {
    let is_other = |character: char| !matches!(character, '0'..='9' | 'a'..='f');
    cgroup.rsplit(is_other).find(|run| is_container_id(run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_container_of_a_cgroup() {
        let id = "451ea1c7979152a5448f123410629dfddf5be7f0fb4fb9a519519dbd50a628b9";
        let other = id.replace("451e", "0000");
        let check = |path: &str, expect: Option<&str>| assert_eq!(container_id_in(path), expect);
        check(&format!("/docker/{id}"), Some(id));
        check(&format!("12:pids:/docker/{id}"), Some(id));
        check(&format!("/system.slice/docker-{id}.scope"), Some(id));
        check(&format!("/kubepods/burstable/pod6a-1/{id}"), Some(id));
        check(&format!("/kubepods.slice/x.slice/cri-containerd-{id}.scope"), Some(id));
        check(&format!("/docker/{other}/docker/{id}/init"), Some(id));
        check(&format!("/docker/{}", &id[1..]), None);
        check(&format!("/docker/{id}0"), None);
        check(&format!("/docker/{}", id.to_uppercase()), None);
        check("/system.slice/sshd.service", None);
        check("", None);
    }
}
