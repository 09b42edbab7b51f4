//! libdeflate, level 1.

use libdeflater::{CompressionLvl, Compressor};

use crate::codec::Codec;

pub(crate) fn codec() -> Codec {
    let level = CompressionLvl::new(1).expect("there is a level 1");
    let mut compressor = Compressor::new(level);
    let compress = move |body: &[u8], _: &[_], out: &mut Vec<u8>| {
        out.resize(compressor.gzip_compress_bound(body.len()), 0);
        let len = compressor.gzip_compress(body, out).expect("the bound is its own");
        out.truncate(len);
    };
    Codec { name: "libdeflate-1", compress: Box::new(compress) }
}
