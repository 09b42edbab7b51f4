//! takes: slices and descriptors
//! gives: what safe Rust cannot say, as safe functions
//! owns:  all `unsafe` of the agent
//! never: holds policy

pub mod simd;
