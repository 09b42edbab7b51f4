//! A small io_uring for reads. It owns what the kernel writes to until the kernel is done.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use io_uring::{IoUring, opcode, types};
use rustix::event::EventfdFlags;

/// A read: where the bytes go, and the file that they come from.
pub trait RingRead: AsMut<[u8]> + AsFd {}

impl<T: AsMut<[u8]> + AsFd> RingRead for T {}

/// Reads in flight, and an eventfd that tells when one has ended.
pub struct Ring<Job: RingRead> {
    queues: IoUring,
    event: OwnedFd,
    /// Boxed, so that a buffer inside a job does not move while the kernel writes to it.
    jobs: Vec<Option<Box<Job>>>,
    in_flight: usize,
}

impl<Job: RingRead> std::fmt::Debug for Ring<Job> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Ring").field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}

impl<Job: RingRead> Ring<Job> {
    /// Tries; any refusal (seccomp, `kernel.io_uring_disabled`, an old kernel) is an error that
    /// says so.
    pub fn new(entries: u32) -> io::Result<Self> {
        let queues = IoUring::new(entries)?;
        let mut probe = io_uring::Probe::new();
        queues.submitter().register_probe(&mut probe)?;
        if !probe.is_supported(opcode::Read::CODE) {
            return Err(io::Error::other("the kernel's io_uring has no READ (before 5.6)"));
        }
        let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        queues.submitter().register_eventfd(event.as_raw_fd())?;
        let jobs = (0..entries).map(|_| None).collect();
        Ok(Self { queues, event, jobs, in_flight: 0 })
    }

    pub fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// Starts a read at `offset`, or gives the job back if the ring is full.
    pub fn read(&mut self, job: Job, offset: u64) -> Result<(), Job> {
        let Some(slot) = self.jobs.iter().position(Option::is_none) else { return Err(job) };
        let mut job = Box::new(job);
        let file = types::Fd(job.as_fd().as_raw_fd());
        let buffer = (*job).as_mut();
        let Ok(len) = u32::try_from(buffer.len()) else { return Err(*job) };
        let entry = opcode::Read::new(file, buffer.as_mut_ptr(), len)
            .offset(offset)
            .build()
            .user_data(slot as u64);
        // SAFETY: the buffer and the descriptor belong to `job`, which is boxed and goes into
        // `jobs` below; it leaves there only in `reap`, after the kernel has said that it is done
        // with it, and `drop` waits for that or leaks.
        let pushed = unsafe { self.queues.submission().push(&entry) };
        if pushed.is_err() {
            return Err(*job);
        }
        self.jobs[slot] = Some(job);
        self.in_flight += 1;
        // An error leaves the entry in the queue, and the next call submits it.
        let _ = self.queues.submit();
        Ok(())
    }

    /// Takes what has ended, each with the bytes read.
    pub fn reap(&mut self) -> Vec<(Job, io::Result<usize>)> {
        if self.in_flight == 0 {
            return Vec::new();
        }
        let _ = rustix::io::read(&self.event, &mut [0; 8]);
        let _ = self.queues.submit();
        let mut ended = Vec::new();
        for entry in self.queues.completion() {
            let result = match usize::try_from(entry.result()) {
                Ok(bytes) => Ok(bytes),
                Err(_) => Err(io::Error::from_raw_os_error(-entry.result())),
            };
            if let Some(job) = self.jobs[entry.user_data() as usize].take() {
                self.in_flight -= 1;
                ended.push((*job, result));
            }
        }
        ended
    }
}

impl<Job: RingRead> Drop for Ring<Job> {
    fn drop(&mut self) {
        while self.in_flight > 0 {
            if self.queues.submit_and_wait(1).is_err() {
                // Nobody can say when the kernel is done with these buffers, so they stay.
                std::mem::forget(std::mem::take(&mut self.jobs));
                return;
            }
            self.reap();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    struct Read(File, Vec<u8>);

    impl AsMut<[u8]> for Read {
        fn as_mut(&mut self) -> &mut [u8] {
            &mut self.1
        }
    }

    impl AsFd for Read {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }

    #[test]
    fn reads_end_with_their_bytes() {
        // A kernel that refuses is a matter of `read`, which then goes another way.
        let Ok(mut ring) = Ring::new(4) else { return };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        for offset in 0..4 {
            let job = Read(file.try_clone().unwrap(), vec![0; 3]);
            assert!(ring.read(job, offset).is_ok());
        }
        let full = ring.read(Read(file.try_clone().unwrap(), vec![0; 3]), 0);
        assert!(full.is_err());
        let mut texts = Vec::new();
        while texts.len() < 4 {
            for (job, bytes) in ring.reap() {
                assert_eq!(bytes.unwrap(), 3);
                texts.push(String::from_utf8(job.1).unwrap());
            }
        }
        texts.sort();
        assert_eq!(texts, ["012", "123", "234", "345"]);
    }
}
