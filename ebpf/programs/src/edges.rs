//! What is rare and of which the agent wants to know at once. All of it are hints: what does not
//! fit into the ring is counted, and the agent looks for itself.

use aya_ebpf::{
    helpers::{
        bpf_get_current_cgroup_id, bpf_get_current_pid_tgid, bpf_ktime_get_ns,
        bpf_probe_read_kernel,
        generated::{bpf_get_smp_processor_id, bpf_probe_read_kernel_str},
    },
    macros::{fexit, kprobe, raw_tracepoint},
    programs::{FExitContext, ProbeContext, RawTracePointContext},
};
use sluice_ebpf::{
    CGROUP_PATH_BYTES, CgroupRecord, EdgeKind, Header, InodeKey, LOST_CELLS, LOST_EDGES, Offset,
};

use crate::maps::{CONTROL, EDGES};
use crate::memory::{Probed, Read, Typed, offset};
use crate::news::followed;

/// `MAX_PID_NS_LEVEL`.
const LEVEL_MAX: u32 = 32;

#[inline(always)]
fn header(kind: EdgeKind) -> Header {
    // SAFETY: a helper without arguments.
    let mono_ns = unsafe { bpf_ktime_get_ns() };
    Header { kind: kind as u32, process: 0, mono_ns, cgroup: 0, inode: 0, device: 0, hierarchy: 0 }
}

#[inline(always)]
fn send(header: Header) {
    let Some(mut entry) = EDGES.reserve::<Header>(0) else { return lost() };
    entry.write(header);
    entry.submit(0);
}

#[inline(always)]
fn lost() {
    // SAFETY: a helper without arguments.
    let processor = unsafe { bpf_get_smp_processor_id() } as u32;
    if let Some(count) = CONTROL.get_ptr_mut(LOST_EDGES + (processor & (LOST_CELLS - 1))) {
        // SAFETY: an aligned word that only this processor writes. Volatile, so that the agent
        // never sees a part of it.
        unsafe { count.write_volatile(count.read_volatile().wrapping_add(1)) };
    }
}

#[inline(always)]
pub fn inode(kind: EdgeKind, [device, inode]: InodeKey) {
    send(Header { device: device as u32, inode, ..header(kind) });
}

/// match-proto: 4.17+ cgroup_mkdir(struct cgroup *, const char *)
#[raw_tracepoint]
pub fn cgroup_mkdir(ctx: RawTracePointContext) -> i32 {
    cgroup(EdgeKind::CgroupMade, &ctx);
    0
}

/// match-proto: 4.17+ cgroup_rmdir(struct cgroup *, const char *)
#[raw_tracepoint]
pub fn cgroup_rmdir(ctx: RawTracePointContext) -> i32 {
    cgroup(EdgeKind::CgroupRemoved, &ctx);
    0
}

/// match-proto: 5.2+ cgroup_notify_populated(struct cgroup *, const char *, int)
#[raw_tracepoint]
pub fn cgroup_notify_populated(ctx: RawTracePointContext) -> i32 {
    // The kernel passes an `int`; the upper half of the register is not defined.
    if ctx.arg::<u64>(2) as u32 != 0 {
        cgroup(EdgeKind::CgroupPopulated, &ctx);
    } else {
        cgroup(EdgeKind::CgroupEmptied, &ctx);
    }
    0
}

#[inline(always)]
fn cgroup(kind: EdgeKind, ctx: &RawTracePointContext) {
    let Some(mut entry) = EDGES.reserve::<CgroupRecord>(0) else { return lost() };
    let record = entry.as_mut_ptr();
    let group = ctx.arg::<*const u8>(0);
    // SAFETY: `record` is the room just reserved, and all that is read below is checked by its
    // helper. The path comes with its NUL, and is empty if it cannot be read.
    unsafe {
        let header = Header {
            cgroup: cgroup_id(group).unwrap_or(0),
            hierarchy: hierarchy(group).unwrap_or(0),
            ..header(kind)
        };
        (&raw mut (*record).header).write(header);
        let path = (&raw mut (*record).path).cast::<u8>();
        path.write(0);
        let text = ctx.arg::<*const u8>(1);
        bpf_probe_read_kernel_str(path.cast(), CGROUP_PATH_BYTES as u32, text.cast());
    }
    entry.submit(0);
}

#[inline(always)]
fn cgroup_id(group: *const u8) -> Option<u64> {
    // SAFETY: a `cgroup`; `kernfs_node.id` is a `u64` since 5.5.
    unsafe { Probed::read(Probed::read(group, Offset::CgroupNode)?, Offset::KernfsNodeId) }
}

#[inline(always)]
fn hierarchy(group: *const u8) -> Option<u32> {
    // SAFETY: a `cgroup`; `hierarchy_id` is an `int` and not negative.
    unsafe { Probed::read(Probed::read(group, Offset::CgroupRoot)?, Offset::CgroupRootHierarchy) }
}

/// match-proto: sched_process_exec(struct task_struct *, pid_t, struct linux_binprm *)
#[raw_tracepoint]
pub fn sched_process_exec(ctx: RawTracePointContext) -> i32 {
    first_process(EdgeKind::Started, ctx.arg::<*const u8>(0));
    0
}

/// match-proto: sched_process_exit(struct task_struct *, ...)
#[raw_tracepoint]
pub fn sched_process_exit(ctx: RawTracePointContext) -> i32 {
    first_process(EdgeKind::Ended, ctx.arg::<*const u8>(0));
    0
}

/// Only the first process of a namespace below the host's: that is how a container begins and
/// ends. All processes of all containers would be a stream, and one shell script could fill the
/// ring with it; a container without a namespace of its own shows by its cgroup.
#[inline(always)]
fn first_process(kind: EdgeKind, task: *const u8) -> Option<()> {
    // SAFETY: both events come with the current task; `level` is an `unsigned`, `numbers` begins
    // with an `int`, and there are `level + 1` of them.
    unsafe {
        let pid: *const u8 = Probed::read(task, Offset::TaskPid)?;
        let level: u32 = Probed::read(pid, Offset::PidLevel)?;
        if level == 0 || level > LEVEL_MAX {
            return None;
        }
        let at = offset(Offset::PidNumbers) + level as usize * offset(Offset::UpidBytes);
        let number: u32 = bpf_probe_read_kernel(pid.wrapping_add(at).cast()).ok()?;
        if number != 1 {
            return None;
        }
        let ids = bpf_get_current_pid_tgid();
        let (process, thread) = ((ids >> 32) as u32, ids as u32);
        // Other threads have numbers of their own, but the exit of a task that never was the
        // leader cannot be the end of the process.
        if process == thread {
            send(Header { process, cgroup: bpf_get_current_cgroup_id(), ..header(kind) });
        }
    }
    Some(())
}

#[inline(always)]
fn name_changed<R: Read>(kind: EdgeKind, dentry: *const u8) -> Option<()> {
    // SAFETY: callers pass a `dentry`. Without an inode nothing is found at its address.
    let (key, _) = followed::<R>(unsafe { R::read(dentry, Offset::DentryInode)? })?;
    inode(kind, key);
    Some(())
}

/// match-proto: 5.10+ int security_inode_unlink(struct inode *, struct dentry *)
///
/// The permission to do it, a moment before; of the functions that do it, the prototypes changed
/// three times since 5.10.
#[fexit]
pub fn fexit_security_inode_unlink(ctx: FExitContext) -> u32 {
    if ctx.arg::<i32>(2) == 0 {
        name_changed::<Typed>(EdgeKind::Unlinked, ctx.arg::<*const u8>(1));
    }
    0
}

/// match-proto: 5.10+ int security_inode_rename(struct inode *, struct dentry *, struct inode *,
/// struct dentry *, unsigned int)
#[fexit]
pub fn fexit_security_inode_rename(ctx: FExitContext) -> u32 {
    if ctx.arg::<i32>(5) == 0 {
        name_changed::<Typed>(EdgeKind::Renamed, ctx.arg::<*const u8>(1));
        name_changed::<Typed>(EdgeKind::Unlinked, ctx.arg::<*const u8>(3));
    }
    0
}

#[kprobe]
pub fn kprobe_security_inode_unlink(ctx: ProbeContext) -> u32 {
    if let Some(dentry) = ctx.arg::<*const u8>(1) {
        name_changed::<Probed>(EdgeKind::Unlinked, dentry);
    }
    0
}

#[kprobe]
pub fn kprobe_security_inode_rename(ctx: ProbeContext) -> u32 {
    if let Some(dentry) = ctx.arg::<*const u8>(1) {
        name_changed::<Probed>(EdgeKind::Renamed, dentry);
    }
    if let Some(dentry) = ctx.arg::<*const u8>(3) {
        name_changed::<Probed>(EdgeKind::Unlinked, dentry);
    }
    0
}

/// match-proto: ext4_unlink_exit(struct dentry *, int)
#[raw_tracepoint]
pub fn ext4_unlink_exit(ctx: RawTracePointContext) -> i32 {
    if ctx.arg::<u64>(1) as u32 == 0 {
        name_changed::<Probed>(EdgeKind::Unlinked, ctx.arg::<*const u8>(0));
    }
    0
}

/// match-proto: xfs_iunlink(struct xfs_inode *)
///
/// When its last name goes.
#[raw_tracepoint]
pub fn xfs_iunlink(ctx: RawTracePointContext) -> i32 {
    let inode_at = offset(Offset::XfsInodeInode);
    if let Some((key, _)) = followed::<Probed>(ctx.arg::<*const u8>(0).wrapping_add(inode_at)) {
        inode(EdgeKind::Unlinked, key);
    }
    0
}
