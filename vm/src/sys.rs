//! The writes that only unsafe code can make.
#![allow(unsafe_code, reason = "system calls that take addresses; one function for each")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

use io_uring::{IoUring, opcode, types};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// One write by io_uring, waited for.
pub(crate) fn ring_write(
    ring: &mut IoUring,
    file: &File,
    bytes: &[u8],
    offset: u64,
) -> io::Result<usize> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let entry = opcode::Write::new(types::Fd(file.as_raw_fd()), bytes.as_ptr(), length)
        .offset(offset)
        .build();
    // SAFETY: `bytes` and `file` are borrowed until this returns. It returns before the write has
    // ended only if waiting fails; `submit_and_wait` then fails with EINTR at most, which no signal
    // handler here can cause, or because the kernel did not take the entry.
    unsafe { ring.submission().push(&entry) }.map_err(io::Error::other)?;
    ring.submit_and_wait(1)?;
    let entry = ring.completion().next().ok_or_else(|| io::Error::other("no completion"))?;
    written(i64::from(entry.result()))
}

/// `struct iocb` of `linux/aio_abi.h`, on a little-endian machine.
#[repr(C)]
#[derive(Default)]
struct Iocb {
    data: u64,
    key: u32,
    rw_flags: u32,
    opcode: u16,
    priority: i16,
    file: u32,
    buffer: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    event: u32,
}

const _: () = assert!(size_of::<Iocb>() == 64 && cfg!(target_endian = "little"));

/// `struct io_event`.
#[repr(C)]
#[derive(Default)]
struct IoEvent {
    data: u64,
    object: u64,
    result: i64,
    result2: i64,
}

const IOCB_CMD_PWRITE: u16 = 1;

/// A context of the kernel's asynchronous I/O (`io_setup`).
pub(crate) struct Aio(u64);

impl Aio {
    pub(crate) fn new() -> io::Result<Self> {
        let mut context = 0_u64;
        // SAFETY: the kernel writes the context's name to the variable and keeps no address.
        result(unsafe { libc::syscall(libc::SYS_io_setup, 1, &raw mut context) })?;
        Ok(Self(context))
    }

    /// One write, waited for.
    pub(crate) fn write(&mut self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut block = Iocb {
            opcode: IOCB_CMD_PWRITE,
            file: u32::try_from(file.as_raw_fd()).map_err(io::Error::other)?,
            buffer: bytes.as_ptr() as u64,
            bytes: bytes.len() as u64,
            offset: i64::try_from(offset).map_err(io::Error::other)?,
            ..Iocb::default()
        };
        let mut blocks = [&raw mut block];
        // SAFETY: one block, which lives until the call ends; the kernel copies it. `bytes` is
        // borrowed until this returns, and it does so after the write has ended (see below).
        result(unsafe { libc::syscall(libc::SYS_io_submit, self.0, 1, blocks.as_mut_ptr()) })?;
        let mut event = IoEvent::default();
        // SAFETY: room for one event, without a limit of time. A signal could end the wait early;
        // this program handles none.
        let count = result(unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                self.0,
                1,
                1,
                &raw mut event,
                std::ptr::null_mut::<libc::timespec>(),
            )
        })?;
        assert_eq!(count, 1, "io_getevents ended before the write did, which uses our memory");
        written(event.result)
    }
}

impl Drop for Aio {
    fn drop(&mut self) {
        // SAFETY: the context is ours, and nothing is in flight. An error would change nothing.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.0) };
    }
}

/// The first bytes of a file, mapped shared and writable.
pub(crate) struct Mapped {
    start: NonNull<u8>,
    length: usize,
}

impl Mapped {
    /// `length` must not reach beyond the end of the file: a store there would be SIGBUS.
    pub(crate) fn new(file: &File, length: usize) -> io::Result<Self> {
        assert!(length as u64 <= file.metadata()?.len());
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let start =
            unsafe { mmap(std::ptr::null_mut(), length, protection, MapFlags::SHARED, file, 0)? };
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mapped at 0"))?;
        Ok(Self { start, length })
    }

    pub(crate) fn store(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.length);
        for (index, byte) in bytes.iter().enumerate() {
            // SAFETY: inside the mapping, as asserted; volatile, since others see the memory too.
            unsafe { self.start.add(index).write_volatile(*byte) };
        }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and no reference into it exists. It cannot fail for these
        // arguments.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

fn result(returned: i64) -> io::Result<i64> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// The result of an asynchronous write: bytes, or the error's number below zero.
fn written(result: i64) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result as i32))
}
