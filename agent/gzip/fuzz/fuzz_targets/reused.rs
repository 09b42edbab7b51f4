//! One encoder, many bodies, whole and in pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_gzip::{Encoder, Memory};
use sluice_gzip_fuzz::{Body, check, member};

fuzz_target!(|bodies: Vec<(Body<'_>, bool)>| {
    let mut encoders = [Encoder::new(Memory::CarriedOver), Encoder::portable(Memory::CarriedOver)];
    let mut pieces = (Vec::new(), Vec::new());
    let mut in_pieces = Encoder::new(Memory::CarriedOver);
    for (body, is_last_piece) in &bodies {
        let bytes = body.bytes();
        let hints = body.hints(bytes.len());
        let [one, other] = encoders.each_mut().map(|encoder| member(encoder, &bytes, &hints));
        assert!(one == other, "without vector instructions other bytes");
        in_pieces.push(&bytes, &hints, &mut pieces.0);
        pieces.1.extend_from_slice(&bytes);
        if *is_last_piece {
            in_pieces.finish(&mut pieces.0);
            check(&pieces.0, &pieces.1);
            pieces = (Vec::new(), Vec::new());
        }
    }
});
