//! Intel ISA-L, levels 0 and 1, if the machine has it (Debian: libisal2).
#![allow(unsafe_code, reason = "a C library that is looked for when the bench runs")]

use std::mem::MaybeUninit;

use anyhow::{Context, Result};
use libloading::Library;

use super::bound;
use crate::codec::Codec;

const NAMES: [&str; 2] = ["libisal.so.2", "libisal.so"];
/// `ISAL_DEF_LVL1_DEFAULT`: 4 KiB, twice 8192 entries, 64 Ki tokens of 4 bytes.
const LEVEL_1_BYTES: usize = (4 + 16 + 4 * 64) << 10;

/// `struct isal_zstream`; the state behind it is left opaque, and room is made for more than it
/// takes.
#[repr(C)]
struct Stream {
    next_in: *const u8,
    avail_in: u32,
    total_in: u32,
    next_out: *mut u8,
    avail_out: u32,
    total_out: u32,
    hufftables: *mut u8,
    level: u32,
    level_buf_size: u32,
    level_buf: *mut u8,
    /// `end_of_stream` in C.
    ends: u16,
    flush: u16,
    gzip_flag: u16,
    hist_bits: u16,
    state: [u64; 32 << 10],
}

type Init = unsafe extern "C" fn(*mut Stream);
type Deflate = unsafe extern "C" fn(*mut Stream) -> i32;

pub(crate) fn codecs() -> Result<Vec<Codec>> {
    // SAFETY: the library has no code that runs as it is loaded but the choice of its functions.
    let library = NAMES.iter().find_map(|name| unsafe { Library::new(*name) }.ok());
    let library = library.with_context(|| format!("no {}", NAMES.join(" and no ")))?;
    // It stays until the process ends.
    let library: &'static Library = Box::leak(Box::new(library));
    // SAFETY: their types are those of igzip_lib.h.
    let (init, deflate): (Init, Deflate) = unsafe {
        (
            *library.get(b"isal_deflate_stateless_init\0")?,
            *library.get(b"isal_deflate_stateless\0")?,
        )
    };
    Ok(vec![codec("isal-0", 0, init, deflate), codec("isal-1", 1, init, deflate)])
}

fn codec(name: &'static str, level: u32, init: Init, deflate: Deflate) -> Codec {
    // SAFETY: all fields are numbers and pointers, and `init` is called before any is read.
    let mut stream: Box<Stream> = unsafe { Box::new(MaybeUninit::zeroed()).assume_init() };
    let mut level_bytes = vec![0_u8; LEVEL_1_BYTES];
    let compress = move |body: &[u8], _: &[_], out: &mut Vec<u8>| {
        out.clear();
        out.reserve(bound(body.len()));
        // SAFETY: input and output are as long as is said and live until the end; what is written
        // is the vector's first bytes.
        unsafe {
            init(&raw mut *stream);
            stream.level = level;
            stream.gzip_flag = 1;
            stream.ends = 1;
            stream.level_buf = level_bytes.as_mut_ptr();
            stream.level_buf_size = if level == 0 { 0 } else { LEVEL_1_BYTES as u32 };
            stream.next_in = body.as_ptr();
            stream.avail_in = body.len() as u32;
            stream.next_out = out.as_mut_ptr();
            stream.avail_out = out.capacity() as u32;
            assert_eq!(deflate(&raw mut *stream), 0, "the room suffices");
            out.set_len(stream.total_out as usize);
        }
    };
    Codec { name, compress: Box::new(compress) }
}
