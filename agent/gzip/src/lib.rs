//! gzip for bodies of log documents, as fast as the fastest C, in Rust alone.
//!
//! [`Encoder`] turns one body into one gzip member. What is particular about it is what it takes
//! for granted: text of many short records that repeat their frame and differ in numbers and ids.
//! Anything else comes out right as well, only not as small; nothing comes out longer than
//! [`bound`] says.
//!
//! ```
//! use sluice_gzip::{Encoder, Memory, bound};
//!
//! let mut encoder = Encoder::new(Memory::CarriedOver);
//! let body = b"{\"message\":\"one\"}\n{\"message\":\"two\"}\n";
//! let mut member = Vec::new();
//! encoder.encode(body, &[], &mut member);
//! assert!(member.len() <= bound(body.len()));
//! ```
//!
//! How it works: one pass over the text finds what stood there before and writes
//! it at once with the code that suited the text before; a sample of each 256 KiB says whether
//! another code is due.

#![cfg_attr(feature = "safe", forbid(unsafe_code))]
#![allow(
    clippy::inline_always,
    reason = "the loop over a body is one function for each level of processor: what it calls has \
              to be compiled for that level too, and its state to stay in registers"
)]

mod bits;
mod code;
mod counts;
mod encoder;
mod header;
mod huffman;
mod member;
mod scan;
mod segment;
mod symbols;
#[cfg_attr(not(feature = "safe"), allow(unsafe_code, reason = "the only place of it"))]
mod sys;
mod table;

pub use encoder::{Encoder, Memory};
pub use member::bound;
pub use scan::Repeat;
