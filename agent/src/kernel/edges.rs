//! What is rare, out of the ring.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use aya::maps::{MapData, RingBuf};
use sluice_ebpf::{EdgeKind, EdgeRecord};

use super::identity::InodeId;

/// Taken by one call: more than the ring holds, so that it is emptied, yet a flood cannot keep the
/// caller.
const RECORDS_MAX: usize = 8_192;

/// Something that happened once, on the kernel's clock (`CLOCK_MONOTONIC`). A hint: the truth is
/// found by looking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edge {
    Cgroup {
        change: CgroupChange,
        /// The inode of its directory.
        id: u64,
        /// 0 for the unified one, as in the first field of `/proc/<pid>/cgroup`. On cgroup v1
        /// the same path comes once for each hierarchy.
        hierarchy: u32,
        /// Below the hierarchy's root, as the host sees it.
        path: PathBuf,
        mono_ns: u64,
    },
    /// The first process of a process namespace below the host's.
    Process {
        change: ProcessChange,
        /// As the host numbers it.
        process: u32,
        /// In the unified hierarchy; `None` where its root is all that it shows (cgroup v1).
        cgroup: Option<u64>,
        mono_ns: u64,
    },
    /// A followed inode.
    Name { change: NameChange, inode: InodeId, mono_ns: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupChange {
    Made,
    Removed,
    /// The first process came.
    Populated,
    /// The last one went.
    Emptied,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessChange {
    /// It executed its program.
    Started,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameChange {
    /// One name less; the file lives on while it has others or is open.
    Unlinked,
    Renamed,
}

/// What one call took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Edges that the ring had no room for, since the last call: list everything again.
    pub lost: u64,
    /// There are more.
    pub more: bool,
}

pub(super) struct Ring {
    ring: RingBuf<MapData>,
}

impl Ring {
    pub(super) fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring }
    }

    pub(super) fn wait_on(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }

    /// Moves edges into `edges`; true if there are more.
    pub(super) fn drain(&mut self, edges: &mut Vec<Edge>) -> bool {
        for _ in 0..RECORDS_MAX {
            let Some(record) = self.ring.next() else { return false };
            edges.extend(EdgeRecord::parse(&record).and_then(Edge::of));
        }
        true
    }
}

/// `cgroup_root.cgrp.kn.id` of the unified hierarchy, which has the first inode of its file system.
const ROOT_CGROUP: u64 = 1;

impl Edge {
    fn of(record: EdgeRecord) -> Option<Self> {
        let EdgeRecord { kind, header, path } = record;
        let mono_ns = header.mono_ns;
        let cgroup = |change| Self::Cgroup {
            change,
            id: header.cgroup,
            hierarchy: header.hierarchy,
            path: OsString::from_vec(path.to_owned()).into(),
            mono_ns,
        };
        let process = |change| Self::Process {
            change,
            process: header.process,
            cgroup: (header.cgroup > ROOT_CGROUP).then_some(header.cgroup),
            mono_ns,
        };
        let name = |change| {
            let inode = InodeId { device: header.device, inode: header.inode };
            Self::Name { change, inode, mono_ns }
        };
        Some(match kind {
            // It has done what it is for.
            EdgeKind::Woken => return None,
            EdgeKind::CgroupMade => cgroup(CgroupChange::Made),
            EdgeKind::CgroupRemoved => cgroup(CgroupChange::Removed),
            EdgeKind::CgroupPopulated => cgroup(CgroupChange::Populated),
            EdgeKind::CgroupEmptied => cgroup(CgroupChange::Emptied),
            EdgeKind::Started => process(ProcessChange::Started),
            EdgeKind::Ended => process(ProcessChange::Ended),
            EdgeKind::Unlinked => name(NameChange::Unlinked),
            EdgeKind::Renamed => name(NameChange::Renamed),
        })
    }
}
