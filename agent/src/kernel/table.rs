//! Which program goes where, for what, and in which order it is tried.

use sluice_ebpf::Offset;

use super::identity::FileSystem;

/// Something that the kernel can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feature {
    /// Followed files have been written, on any file system.
    News,
    /// The same on one file system, for which it has a way of its own.
    NewsOf(FileSystem),
    /// Cgroups came and went, became populated and empty.
    Cgroups,
    /// The first process of a container started and ended.
    Processes,
    /// A followed file lost a name.
    Unlinks,
    /// A followed file got another name.
    Renames,
}

/// How a program is called: the rungs, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Variant {
    /// At the end of a function, by a trampoline.
    Fexit,
    /// At its beginning, by a breakpoint or the function tracer.
    Kprobe,
    /// Where the kernel's authors put a raw tracepoint.
    Tracepoint,
}

impl Variant {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fexit => "fexit",
            Self::Kprobe => "kprobe",
            Self::Tracepoint => "tracepoint",
        }
    }

    /// The signal may come a moment before the bytes can be read.
    pub fn is_early(self) -> bool {
        self != Self::Fexit
    }
}

/// One program at one place of the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hook {
    pub(super) program: &'static str,
    /// A function or a tracepoint.
    pub(super) place: &'static str,
    /// Of a tracepoint: the structure that its first argument has to point to.
    pub(super) argument: Option<&'static str>,
    pub(super) needs: &'static [Offset],
}

/// Of several hooks that do the same, the first that can be had.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// What is not signalled without it, in words for people.
    pub(super) covers: &'static str,
    /// Without it the variant is refused.
    pub(super) required: bool,
    pub(super) choices: &'static [Hook],
}

/// One variant of one feature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) feature: Feature,
    pub(super) variant: Variant,
    pub(super) parts: &'static [Part],
}

const FILE: &[Offset] = &[
    Offset::FileInode,
    Offset::InodeMode,
    Offset::InodeNumber,
    Offset::InodeSuperBlock,
    Offset::SuperBlockDevice,
];
const INODE: &[Offset] = &[Offset::InodeNumber, Offset::InodeSuperBlock, Offset::SuperBlockDevice];
const REQUEST: &[Offset] = &[
    Offset::IoKiocbFile,
    Offset::FileInode,
    Offset::InodeMode,
    Offset::InodeNumber,
    Offset::InodeSuperBlock,
    Offset::SuperBlockDevice,
];
const DENTRY: &[Offset] =
    &[Offset::DentryInode, Offset::InodeNumber, Offset::InodeSuperBlock, Offset::SuperBlockDevice];
const IOMAP: &[Offset] = &[
    Offset::IomapIterInode,
    Offset::IomapIterFlags,
    Offset::InodeNumber,
    Offset::InodeSuperBlock,
    Offset::SuperBlockDevice,
];
const BTRFS: &[Offset] =
    &[Offset::BtrfsRootInfo, Offset::BtrfsInfoSuperBlock, Offset::SuperBlockDevice];
const XFS: &[Offset] = &[
    Offset::XfsInodeInode,
    Offset::InodeNumber,
    Offset::InodeSuperBlock,
    Offset::SuperBlockDevice,
];
const GROUP: &[Offset] =
    &[Offset::CgroupNode, Offset::KernfsNodeId, Offset::CgroupRoot, Offset::CgroupRootHierarchy];
const TASK: &[Offset] = &[Offset::TaskPid, Offset::PidLevel, Offset::PidNumbers, Offset::UpidBytes];

const fn hook(program: &'static str, place: &'static str, needs: &'static [Offset]) -> Hook {
    Hook { program, place, argument: None, needs }
}

const fn tracepoint(
    program: &'static str,
    place: &'static str,
    argument: &'static str,
    needs: &'static [Offset],
) -> Hook {
    Hook { program, place, argument: Some(argument), needs }
}

const fn required(covers: &'static str, choices: &'static [Hook]) -> Part {
    Part { covers, required: true, choices }
}

const fn optional(covers: &'static str, choices: &'static [Hook]) -> Part {
    Part { covers, required: false, choices }
}

const IOMAP_ITER: &[Hook] = &[tracepoint("tracepoint_iomap", "iomap_iter", "iomap_iter", IOMAP)];

/// Best first within a feature.
///
/// The functions: all of `write`, `pwrite`, sockets and pipes come through `vfs_write`, so its
/// program looks at the mode first. `do_iter_write` (until 6.7) is what both `vfs_writev` and
/// `vfs_iter_write` call, and is the only one left when the compiler has inlined the former.
///
/// `iomap_iter` is called before each piece of a write and once after the last. ext4's tracepoints
/// come when the bytes are in the page cache and the size is not yet set. tmpfs has none of its
/// own, but like most file systems it sets the time of a file with the first write in each tick
/// of the clock and then marks the inode dirty; later writes of that tick are found by the second
/// look. btrfs does neither, and gives back unused room at the end of a write.
pub(super) const WAYS: &[Way] = &[
    Way {
        feature: Feature::News,
        variant: Variant::Fexit,
        parts: &[
            required("write", &[hook("fexit_vfs_write", "vfs_write", FILE)]),
            optional(
                "writev",
                &[
                    hook("fexit_vfs_writev", "vfs_writev", FILE),
                    hook("fexit_do_iter_write", "do_iter_write", FILE),
                ],
            ),
            optional(
                "writes through overlayfs",
                &[hook("fexit_vfs_iter_write", "vfs_iter_write", FILE)],
            ),
            optional(
                "asynchronous writes through overlayfs",
                &[hook("fexit_vfs_iocb_iter_write", "vfs_iocb_iter_write", FILE)],
            ),
            optional(
                "splice and sendfile",
                &[hook("fexit_iter_file_splice_write", "iter_file_splice_write", FILE)],
            ),
            optional("io_uring", &[hook("fexit_io_write", "io_write", REQUEST)]),
        ],
    },
    Way {
        feature: Feature::News,
        variant: Variant::Kprobe,
        parts: &[
            required("write", &[hook("kprobe_file", "vfs_write", FILE)]),
            optional(
                "writev",
                &[
                    hook("kprobe_file", "vfs_writev", FILE),
                    hook("kprobe_file", "do_iter_write", FILE),
                ],
            ),
            optional("writes through overlayfs", &[hook("kprobe_file", "vfs_iter_write", FILE)]),
            optional(
                "asynchronous writes through overlayfs",
                &[hook("kprobe_file", "vfs_iocb_iter_write", FILE)],
            ),
            optional(
                "splice and sendfile",
                &[hook("kprobe_second_file", "iter_file_splice_write", FILE)],
            ),
            optional("io_uring", &[hook("kprobe_request", "io_write", REQUEST)]),
        ],
    },
    Way {
        feature: Feature::NewsOf(FileSystem::Ext4),
        variant: Variant::Tracepoint,
        parts: &[
            required(
                "writes with delayed allocation",
                &[tracepoint("tracepoint_inode", "ext4_da_write_end", "inode", INODE)],
            ),
            required(
                "writes without delayed allocation",
                &[tracepoint("tracepoint_inode", "ext4_write_end", "inode", INODE)],
            ),
            optional(
                "writes with data=journal",
                &[tracepoint("tracepoint_inode", "ext4_journalled_write_end", "inode", INODE)],
            ),
            optional(
                "truncation",
                &[tracepoint("tracepoint_inode", "ext4_truncate_exit", "inode", INODE)],
            ),
            optional(
                "fallocate",
                &[tracepoint("tracepoint_inode", "ext4_fallocate_exit", "inode", INODE)],
            ),
            optional("direct writes", IOMAP_ITER),
        ],
    },
    Way {
        feature: Feature::NewsOf(FileSystem::Xfs),
        variant: Variant::Tracepoint,
        parts: &[required("writes", IOMAP_ITER)],
    },
    Way {
        feature: Feature::NewsOf(FileSystem::Btrfs),
        variant: Variant::Tracepoint,
        parts: &[required(
            "writes",
            &[tracepoint(
                "tracepoint_btrfs",
                "btrfs_inode_mod_outstanding_extents",
                "btrfs_root",
                BTRFS,
            )],
        )],
    },
    Way {
        feature: Feature::NewsOf(FileSystem::Tmpfs),
        variant: Variant::Tracepoint,
        parts: &[required(
            "writes",
            &[tracepoint("tracepoint_inode", "writeback_mark_inode_dirty", "inode", INODE)],
        )],
    },
    Way {
        feature: Feature::Cgroups,
        variant: Variant::Tracepoint,
        parts: &[
            required(
                "cgroups made",
                &[tracepoint("cgroup_mkdir", "cgroup_mkdir", "cgroup", GROUP)],
            ),
            required(
                "cgroups removed",
                &[tracepoint("cgroup_rmdir", "cgroup_rmdir", "cgroup", GROUP)],
            ),
            optional(
                "cgroups populated and emptied",
                &[tracepoint(
                    "cgroup_notify_populated",
                    "cgroup_notify_populated",
                    "cgroup",
                    GROUP,
                )],
            ),
        ],
    },
    Way {
        feature: Feature::Processes,
        variant: Variant::Tracepoint,
        parts: &[
            required(
                "processes started",
                &[tracepoint("sched_process_exec", "sched_process_exec", "task_struct", TASK)],
            ),
            required(
                "processes ended",
                &[tracepoint("sched_process_exit", "sched_process_exit", "task_struct", TASK)],
            ),
        ],
    },
    Way {
        feature: Feature::Unlinks,
        variant: Variant::Fexit,
        parts: &[required(
            "unlink",
            &[hook("fexit_security_inode_unlink", "security_inode_unlink", DENTRY)],
        )],
    },
    Way {
        feature: Feature::Unlinks,
        variant: Variant::Kprobe,
        parts: &[required(
            "unlink",
            &[hook("kprobe_security_inode_unlink", "security_inode_unlink", DENTRY)],
        )],
    },
    Way {
        feature: Feature::Unlinks,
        variant: Variant::Tracepoint,
        parts: &[
            optional(
                "unlink on ext4",
                &[tracepoint("ext4_unlink_exit", "ext4_unlink_exit", "dentry", DENTRY)],
            ),
            optional(
                "unlink of the last name on xfs",
                &[tracepoint("xfs_iunlink", "xfs_iunlink", "xfs_inode", XFS)],
            ),
        ],
    },
    Way {
        feature: Feature::Renames,
        variant: Variant::Fexit,
        parts: &[required(
            "rename",
            &[hook("fexit_security_inode_rename", "security_inode_rename", DENTRY)],
        )],
    },
    Way {
        feature: Feature::Renames,
        variant: Variant::Kprobe,
        parts: &[required(
            "rename",
            &[hook("kprobe_security_inode_rename", "security_inode_rename", DENTRY)],
        )],
    },
];

/// All functions that a program may be attached to.
pub(super) fn functions() -> Vec<&'static str> {
    hooks().filter(|hook| hook.argument.is_none()).map(|hook| hook.place).collect()
}

/// All tracepoints, and what their first argument has to point to.
pub(super) fn tracepoints() -> Vec<(&'static str, Option<&'static str>)> {
    hooks().filter(|hook| hook.argument.is_some()).map(|hook| (hook.place, hook.argument)).collect()
}

fn hooks() -> impl Iterator<Item = &'static Hook> {
    WAYS.iter().flat_map(|way| way.parts).flat_map(|part| part.choices)
}
