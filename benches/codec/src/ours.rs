//! The codec of this repository, in the ways it can be used.

use sluice_gzip::{Encoder, Memory};

use crate::codec::Codec;

pub(crate) fn codecs() -> [Codec; 4] {
    [
        with("sluice", Encoder::new(Memory::CarriedOver), Hints::No),
        with("sluice-hints", Encoder::new(Memory::CarriedOver), Hints::Yes),
        with("sluice-per-member", Encoder::new(Memory::PerMember), Hints::Yes),
        with("sluice-portable", Encoder::portable(Memory::CarriedOver), Hints::No),
    ]
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hints {
    No,
    Yes,
}

fn with(name: &'static str, mut encoder: Encoder, hints: Hints) -> Codec {
    let compress = move |body: &[u8], repeats: &[_], out: &mut Vec<u8>| {
        out.clear();
        let repeats = if hints == Hints::Yes { repeats } else { &[] };
        encoder.encode(body, repeats, out);
    };
    Codec { name, compress: Box::new(compress) }
}
