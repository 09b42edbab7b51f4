//! "This inode has been written": one lookup for each write, and a store if it is followed.
//!
//! The agent's own writes need no case of their own: its files are not followed.

use aya_ebpf::{
    helpers::bpf_ktime_get_ns,
    macros::{fexit, kprobe, raw_tracepoint},
    programs::{FExitContext, ProbeContext, RawTracePointContext},
};
use sluice_ebpf::{EdgeKind, InodeKey, Offset, SLEEPING, inode_key};

use crate::edges;
use crate::maps::{CONTROL, FOLLOWED, SLOTS};
use crate::memory::{Probed, Read, Typed};

/// `S_IFMT` and `S_IFREG`.
const TYPE_MASK: u16 = 0o170_000;
const REGULAR: u16 = 0o100_000;

/// `IOMAP_WRITE` since the flag exists.
const IOMAP_WRITE: u32 = 1;

/// The key of an inode, and its slot if it is followed.
#[inline(always)]
pub fn followed<R: Read>(inode: *const u8) -> Option<(InodeKey, u32)> {
    // SAFETY: callers pass an inode, and the members are of these types since Linux 4.
    let key = unsafe {
        let superblock: *const u8 = R::read(inode, Offset::InodeSuperBlock)?;
        let device: u32 = R::read(superblock, Offset::SuperBlockDevice)?;
        inode_key(device, R::read(inode, Offset::InodeNumber)?)
    };
    slot_of(key)
}

#[inline(always)]
fn slot_of(key: InodeKey) -> Option<(InodeKey, u32)> {
    // SAFETY: an entry is a `u32`; the agent may take it away meanwhile, and then its memory
    // belongs to another entry of this map.
    Some((key, unsafe { *FOLLOWED.get_ptr(&key)? }))
}

/// Stores "now" in a followed inode's slot and wakes the agent if it sleeps.
#[inline(always)]
fn tell((key, slot): (InodeKey, u32)) {
    let Some(slot) = SLOTS.get_ptr_mut(slot) else { return };
    // SAFETY: both point into arrays, aligned; processors race for them and any of the values will
    // do. Volatile, so that it is one store of a word: the agent reads it at any moment.
    //
    // The store is not ordered before the load of the gate: no such barrier exists for programs
    // of 5.10. The agent looks again a moment after it has set the gate.
    unsafe {
        slot.write_volatile(bpf_ktime_get_ns());
        let Some(sleeping) = CONTROL.get_ptr_mut(SLEEPING) else { return };
        if sleeping.read_volatile() != 0 {
            sleeping.write_volatile(0);
            edges::inode(EdgeKind::Woken, key);
        }
    }
}

#[inline(always)]
fn wrote_inode<R: Read>(inode: *const u8) -> Option<()> {
    tell(followed::<R>(inode)?);
    Some(())
}

/// The functions of the VFS are there for pipes and sockets too: those cost a look at the mode.
#[inline(always)]
fn wrote_file<R: Read>(file: *const u8) -> Option<()> {
    // SAFETY: callers pass a file; `i_mode` is a `umode_t`.
    unsafe {
        let inode: *const u8 = R::read(file, Offset::FileInode)?;
        let mode: u16 = R::read(inode, Offset::InodeMode)?;
        if mode & TYPE_MASK != REGULAR {
            return None;
        }
        wrote_inode::<R>(inode)
    }
}

#[inline(always)]
fn wrote_request<R: Read>(request: *const u8) -> Option<()> {
    // SAFETY: callers pass an `io_kiocb`.
    wrote_file::<R>(unsafe { R::read(request, Offset::IoKiocbFile)? })
}

/// At the end of a function of the VFS: argument `$file`, and its result behind the arguments.
/// `bpf_get_func_ret` would be for 5.17 and later only.
macro_rules! at_end_of {
    ($($function:ident, $file:literal, $result:literal, $prototype:literal;)*) => {$(
        #[doc = concat!("match-proto: ", $prototype)]
        #[fexit]
        pub fn $function(ctx: FExitContext) -> u32 {
            if ctx.arg::<i64>($result) > 0 {
                wrote_file::<Typed>(ctx.arg::<*const u8>($file));
            }
            0
        }
    )*};
}

at_end_of! {
    fexit_vfs_write, 0, 4,
        "5.10+ ssize_t vfs_write(struct file *, const char *, size_t, loff_t *)";
    fexit_vfs_writev, 0, 5,
        "5.10+ ssize_t vfs_writev(struct file *, const struct iovec *, unsigned long, loff_t *, rwf_t)";
    fexit_do_iter_write, 0, 4,
        "5.10-6.7 ssize_t do_iter_write(struct file *, struct iov_iter *, loff_t *, rwf_t)";
    fexit_vfs_iter_write, 0, 4,
        "5.10+ ssize_t vfs_iter_write(struct file *, struct iov_iter *, loff_t *, rwf_t)";
    fexit_vfs_iocb_iter_write, 0, 3,
        "5.10+ ssize_t vfs_iocb_iter_write(struct file *, struct kiocb *, struct iov_iter *)";
    fexit_iter_file_splice_write, 1, 5,
        "5.10+ ssize_t iter_file_splice_write(struct pipe_inode_info *, struct file *, loff_t *, size_t, unsigned)";
}

/// match-proto: 5.10+ int io_write(struct io_kiocb *, unsigned int)
///
/// Its result does not tell what was written, and a write that goes on elsewhere has a second call.
#[fexit]
pub fn fexit_io_write(ctx: FExitContext) -> u32 {
    wrote_request::<Typed>(ctx.arg::<*const u8>(0));
    0
}

/// At the beginning of any of those that have the file first.
#[kprobe]
pub fn kprobe_file(ctx: ProbeContext) -> u32 {
    if let Some(file) = ctx.arg::<*const u8>(0) {
        wrote_file::<Probed>(file);
    }
    0
}

#[kprobe]
pub fn kprobe_second_file(ctx: ProbeContext) -> u32 {
    if let Some(file) = ctx.arg::<*const u8>(1) {
        wrote_file::<Probed>(file);
    }
    0
}

#[kprobe]
pub fn kprobe_request(ctx: ProbeContext) -> u32 {
    if let Some(request) = ctx.arg::<*const u8>(0) {
        wrote_request::<Probed>(request);
    }
    0
}

/// match-proto: ext4_da_write_end, ext4_write_end, ext4_journalled_write_end(struct inode *, ...),
/// ext4_truncate_exit, ext4_fallocate_exit(struct inode *, ...),
/// writeback_mark_inode_dirty(struct inode *, int)
#[raw_tracepoint]
pub fn tracepoint_inode(ctx: RawTracePointContext) -> i32 {
    wrote_inode::<Probed>(ctx.arg::<*const u8>(0));
    0
}

/// match-proto: 5.15+ iomap_iter(struct iomap_iter *, const void *, unsigned long)
///
/// Called before each piece and after the last one, for reads too.
#[raw_tracepoint]
pub fn tracepoint_iomap(ctx: RawTracePointContext) -> i32 {
    iomap(ctx.arg::<*const u8>(0));
    0
}

#[inline(always)]
fn iomap(iter: *const u8) -> Option<()> {
    // SAFETY: an `iomap_iter`, of which `flags` is an `unsigned`.
    unsafe {
        let flags: u32 = Probed::read(iter, Offset::IomapIterFlags)?;
        if flags & IOMAP_WRITE == 0 {
            return None;
        }
        wrote_inode::<Probed>(Probed::read(iter, Offset::IomapIterInode)?)
    }
}

/// match-proto: btrfs_inode_mod_outstanding_extents(const struct btrfs_root *, u64 ino, int mod,
/// ...)
///
/// Called when a write reserves room and when it gives back what it has not used, which is its
/// end. Numbers of inodes are those of a subvolume: two may share a key.
#[raw_tracepoint]
pub fn tracepoint_btrfs(ctx: RawTracePointContext) -> i32 {
    // The kernel passes an `int`; the upper half of the register is not defined.
    if (ctx.arg::<u64>(2) as i32) < 0 {
        btrfs(ctx.arg::<*const u8>(0), ctx.arg::<u64>(1));
    }
    0
}

#[inline(always)]
fn btrfs(root: *const u8, inode: u64) -> Option<()> {
    // SAFETY: a `btrfs_root`; the members are of these types since Linux 4.
    let device: u32 = unsafe {
        let info: *const u8 = Probed::read(root, Offset::BtrfsRootInfo)?;
        let superblock: *const u8 = Probed::read(info, Offset::BtrfsInfoSuperBlock)?;
        Probed::read(superblock, Offset::SuperBlockDevice)?
    };
    tell(slot_of(inode_key(device, inode))?);
    Some(())
}
