//! zlib-ng, level 1.
#![allow(unsafe_code, reason = "a C library")]

use std::mem::MaybeUninit;

use libz_ng_sys::{
    Z_DEFAULT_STRATEGY, Z_DEFLATED, Z_FINISH, Z_OK, Z_STREAM_END, deflate, deflateInit2_,
    deflateReset, z_stream, zlibVersion,
};

use super::bound;
use crate::codec::Codec;

/// The largest window, and a gzip header.
const WINDOW_BITS: i32 = 15 + 16;
const MEMORY_LEVEL: i32 = 8;

pub(crate) fn codec() -> Codec {
    // SAFETY: all zeros is what the library wants of a stream that is new: no input, no output, its
    // own allocator. It never moves, as the state points back at it.
    let mut stream: Box<z_stream> = unsafe { Box::new(MaybeUninit::zeroed()).assume_init() };
    // SAFETY: the stream is as it is wanted, and the size is its own.
    let made = unsafe {
        deflateInit2_(
            &raw mut *stream,
            1,
            Z_DEFLATED,
            WINDOW_BITS,
            MEMORY_LEVEL,
            Z_DEFAULT_STRATEGY,
            zlibVersion(),
            size_of::<z_stream>() as i32,
        )
    };
    assert_eq!(made, Z_OK, "zlib-ng takes its memory");
    let compress = move |body: &[u8], _: &[_], out: &mut Vec<u8>| {
        out.clear();
        out.reserve(bound(body.len()));
        stream.next_in = body.as_ptr().cast_mut();
        stream.avail_in = body.len() as u32;
        stream.next_out = out.as_mut_ptr();
        stream.avail_out = out.capacity() as u32;
        // SAFETY: input and output are as long as is said and live until the end; what is written
        // is the vector's first bytes.
        unsafe {
            assert_eq!(deflateReset(&raw mut *stream), Z_OK);
            stream.next_in = body.as_ptr().cast_mut();
            assert_eq!(deflate(&raw mut *stream, Z_FINISH), Z_STREAM_END, "the room suffices");
            let len = out.capacity() - stream.avail_out as usize;
            out.set_len(len);
        }
    };
    Codec { name: "zlib-ng-1", compress: Box::new(compress) }
}
