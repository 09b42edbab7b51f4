/// Where in the kernel's structures the programs find what they read. The agent takes the places
/// from the running kernel's BTF and gives them to the programs before they are loaded.
///
/// The discriminant is the index in the table of offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Offset {
    FileInode,
    InodeMode,
    InodeNumber,
    InodeSuperBlock,
    SuperBlockDevice,
    DentryInode,
    IoKiocbFile,
    IomapIterInode,
    IomapIterFlags,
    BtrfsRootInfo,
    BtrfsInfoSuperBlock,
    XfsInodeInode,
    TaskPid,
    PidLevel,
    PidNumbers,
    UpidBytes,
    CgroupNode,
    KernfsNodeId,
    CgroupRoot,
    CgroupRootHierarchy,
}

/// Entries of the table.
pub const OFFSETS: usize = Offset::ALL.len();

/// In the table: this kernel has no such member. A program that needs it is not loaded.
pub const ABSENT: u32 = u32::MAX;

/// What BTF is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `structure`, and names of the member, the first that exists counts.
    Member(&'static str, &'static [&'static str]),
    /// The size of the structure.
    Size(&'static str),
}

impl Offset {
    pub const ALL: [Self; 20] = [
        Self::FileInode,
        Self::InodeMode,
        Self::InodeNumber,
        Self::InodeSuperBlock,
        Self::SuperBlockDevice,
        Self::DentryInode,
        Self::IoKiocbFile,
        Self::IomapIterInode,
        Self::IomapIterFlags,
        Self::BtrfsRootInfo,
        Self::BtrfsInfoSuperBlock,
        Self::XfsInodeInode,
        Self::TaskPid,
        Self::PidLevel,
        Self::PidNumbers,
        Self::UpidBytes,
        Self::CgroupNode,
        Self::KernfsNodeId,
        Self::CgroupRoot,
        Self::CgroupRootHierarchy,
    ];

    pub const fn place(self) -> Place {
        match self {
            Self::FileInode => Place::Member("file", &["f_inode"]),
            Self::InodeMode => Place::Member("inode", &["i_mode"]),
            Self::InodeNumber => Place::Member("inode", &["i_ino"]),
            Self::InodeSuperBlock => Place::Member("inode", &["i_sb"]),
            Self::SuperBlockDevice => Place::Member("super_block", &["s_dev"]),
            Self::DentryInode => Place::Member("dentry", &["d_inode"]),
            Self::IoKiocbFile => Place::Member("io_kiocb", &["file"]),
            Self::IomapIterInode => Place::Member("iomap_iter", &["inode"]),
            Self::IomapIterFlags => Place::Member("iomap_iter", &["flags"]),
            Self::BtrfsRootInfo => Place::Member("btrfs_root", &["fs_info"]),
            Self::BtrfsInfoSuperBlock => Place::Member("btrfs_fs_info", &["sb"]),
            Self::XfsInodeInode => Place::Member("xfs_inode", &["i_vnode"]),
            // A member of its own since 4.19; before, an array of links.
            Self::TaskPid => Place::Member("task_struct", &["thread_pid"]),
            Self::PidLevel => Place::Member("pid", &["level"]),
            Self::PidNumbers => Place::Member("pid", &["numbers"]),
            Self::UpidBytes => Place::Size("upid"),
            Self::CgroupNode => Place::Member("cgroup", &["kn"]),
            Self::KernfsNodeId => Place::Member("kernfs_node", &["id"]),
            Self::CgroupRoot => Place::Member("cgroup", &["root"]),
            Self::CgroupRootHierarchy => Place::Member("cgroup_root", &["hierarchy_id"]),
        }
    }
}

const _: () = {
    let mut index = 0;
    while index < OFFSETS {
        assert!(Offset::ALL[index] as usize == index, "the table is in the order of the enum");
        index += 1;
    }
};
