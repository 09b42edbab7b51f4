//! takes: what the other rooms cannot do in safe Rust
//! gives: safe functions
//! owns:  all `unsafe` of the agent
//! never: holds policy

mod ring;
pub mod simd;

pub use ring::{Ring, RingRead};
