//! zlib-rs, level 1, by way of flate2 as the agent has it.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use super::bound;
use crate::codec::Codec;

pub(crate) fn codec() -> Codec {
    let mut compress = Compress::new(Compression::new(1), false);
    let run = move |body: &[u8], _: &[_], out: &mut Vec<u8>| {
        out.clear();
        out.reserve(bound(body.len()));
        out.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255]);
        compress.reset();
        let status = compress.compress_vec(body, out, FlushCompress::Finish);
        assert_eq!(status.ok(), Some(Status::StreamEnd), "the room suffices");
        let mut check = Crc::new();
        check.update(body);
        out.extend_from_slice(&check.sum().to_le_bytes());
        out.extend_from_slice(&check.amount().to_le_bytes());
    };
    Codec { name: "zlib-rs-1", compress: Box::new(run) }
}
