//! The programs that sluice loads into the kernel.
//!
//! `news` runs at each end of a write and says of a followed inode when it was; `edges` tells of
//! what is rare. Neither knows what a container or a log is.
//!
//! Helpers that read the kernel's memory are for programs under the GPL only, hence the licence.
#![no_std]
#![no_main]

mod edges;
mod maps;
mod memory;
mod news;

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // Nothing here can panic; the verifier would refuse a loop that could be reached.
    loop {}
}
