use core::mem::offset_of;

/// What happened. 0 is nothing, so that a record that was never filled says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum EdgeKind {
    /// A followed inode was written while the agent slept.
    Woken = 1,
    CgroupMade = 2,
    CgroupRemoved = 3,
    /// The first process came into a cgroup.
    CgroupPopulated = 4,
    /// The last process left it.
    CgroupEmptied = 5,
    /// The first process of a process namespace executed its program.
    Started = 6,
    /// It ended, and with it all others of that namespace.
    Ended = 7,
    /// A followed inode lost a name.
    Unlinked = 8,
    /// A followed inode got another name.
    Renamed = 9,
}

impl EdgeKind {
    const ALL: [Self; 9] = [
        Self::Woken,
        Self::CgroupMade,
        Self::CgroupRemoved,
        Self::CgroupPopulated,
        Self::CgroupEmptied,
        Self::Started,
        Self::Ended,
        Self::Unlinked,
        Self::Renamed,
    ];

    fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u32 == number)
    }

    const fn has_path(self) -> bool {
        matches!(
            self,
            Self::CgroupMade | Self::CgroupRemoved | Self::CgroupPopulated | Self::CgroupEmptied
        )
    }
}

/// How each record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Header {
    /// An [`EdgeKind`].
    pub kind: u32,
    /// Of the process as the host numbers it, for `Started` and `Ended`.
    pub process: u32,
    /// `CLOCK_MONOTONIC`.
    pub mono_ns: u64,
    /// The cgroup that it is about, or of the process: its directory's inode in the hierarchy. For
    /// a process this is of the unified hierarchy, which on a cgroup v1 host is the root for all.
    pub cgroup: u64,
    /// The inode that it is about.
    pub inode: u64,
    pub device: u32,
    /// Of the cgroup: 0 for the unified one.
    pub hierarchy: u32,
}

/// Room for a path below the hierarchy's root, with its closing NUL. Kubernetes' longest, a
/// burstable pod's container under systemd, is 220; what is cut has lost the container's id, and
/// is found by listing.
pub const CGROUP_PATH_BYTES: usize = 280;

/// A record about a cgroup.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CgroupRecord {
    pub header: Header,
    pub path: [u8; CGROUP_PATH_BYTES],
}

/// A record as the agent reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeRecord<'a> {
    pub kind: EdgeKind,
    pub header: Header,
    /// Of a cgroup, below its hierarchy's root; empty for all else.
    pub path: &'a [u8],
}

impl<'a> EdgeRecord<'a> {
    /// `None` if these are not the bytes of a record.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = Header {
            kind: u32_at(bytes, offset_of!(Header, kind))?,
            process: u32_at(bytes, offset_of!(Header, process))?,
            mono_ns: u64_at(bytes, offset_of!(Header, mono_ns))?,
            cgroup: u64_at(bytes, offset_of!(Header, cgroup))?,
            inode: u64_at(bytes, offset_of!(Header, inode))?,
            device: u32_at(bytes, offset_of!(Header, device))?,
            hierarchy: u32_at(bytes, offset_of!(Header, hierarchy))?,
        };
        let kind = EdgeKind::of(header.kind)?;
        let path = if kind.has_path() {
            let path = bytes.get(offset_of!(CgroupRecord, path)..size_of::<CgroupRecord>())?;
            path.split(|byte| *byte == 0).next()?
        } else {
            &[]
        };
        Some(Self { kind, header, path })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

const _: () = {
    assert!(size_of::<Header>() == 40 && align_of::<Header>() == 8);
    assert!(offset_of!(Header, process) == 4);
    assert!(offset_of!(Header, mono_ns) == 8);
    assert!(offset_of!(Header, cgroup) == 16);
    assert!(offset_of!(Header, inode) == 24);
    assert!(offset_of!(Header, device) == 32);
    assert!(offset_of!(Header, hierarchy) == 36);
    assert!(offset_of!(CgroupRecord, path) == 40);
    assert!(size_of::<CgroupRecord>() == 320);
};

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u32, path: &[u8]) -> [u8; size_of::<CgroupRecord>()] {
        let mut bytes = [0; size_of::<CgroupRecord>()];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        bytes[24..32].copy_from_slice(&7_u64.to_le_bytes());
        bytes[40..40 + path.len()].copy_from_slice(path);
        bytes
    }

    #[test]
    fn reads_what_the_programs_write() {
        let bytes = record(EdgeKind::CgroupMade as u32, b"/docker/ab");
        let edge = EdgeRecord::parse(&bytes).unwrap();
        assert_eq!((edge.kind, edge.path), (EdgeKind::CgroupMade, &b"/docker/ab"[..]));
        let full = record(EdgeKind::CgroupEmptied as u32, &[b'x'; CGROUP_PATH_BYTES]);
        assert_eq!(EdgeRecord::parse(&full).unwrap().path.len(), CGROUP_PATH_BYTES);
        let bytes = record(EdgeKind::Renamed as u32, b"");
        let edge = EdgeRecord::parse(&bytes[..40]).unwrap();
        assert_eq!((edge.kind, edge.header.inode), (EdgeKind::Renamed, 7));
    }

    #[test]
    fn refuses_what_is_no_record() {
        let made = record(EdgeKind::CgroupMade as u32, b"/x");
        for bytes in [&made[..0], &made[..39], &made[..319], &record(0, b""), &record(10, b"")] {
            assert_eq!(EdgeRecord::parse(bytes), None, "{} bytes", bytes.len());
        }
    }
}
