//! Ports for a process that listens where it is told to.

use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that the kernel gives to whoever asks for any (32 768 to 60 999), so that nobody
/// comes to have one of these by accident between the look and its use.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;
/// Processes begin this far apart.
const STRIDE: u32 = 97;

/// A loopback port that nobody listens on, and that this process has not given before.
///
/// # Errors
///
/// Where all ten thousand are taken.
pub fn free() -> Result<u16> {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id().wrapping_mul(STRIDE);
    for _ in 0..COUNT {
        let number = u32::from(GIVEN.fetch_add(1, Ordering::Relaxed)).wrapping_add(start);
        let offset = u16::try_from(number % u32::from(COUNT)).expect("it is below a u16");
        let port = FIRST + offset;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::new(ErrorKind::AddrInUse, "no port from 20000 to 29999 is free"))
}
