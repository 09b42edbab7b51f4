//! takes: what the other rooms cannot do in safe Rust
//! gives: safe functions
//! owns:  all `unsafe` of the agent
//! never: holds policy

mod clock;
mod fanotify;
mod mapped;
mod memory;
mod privileged;
mod ring;
pub mod simd;

pub use clock::clock_error;
pub use fanotify::{Fanotify, Handle, Named};
pub use mapped::MappedWords;
pub use memory::give_back_memory;
pub use privileged::{OF_ADMINISTRATION, OF_PROGRAMS, PrivilegedThread, drop_capabilities};
pub use ring::{Ring, RingRead};
