//! Any body with any hints comes back.

mod common;

use common::{Encoders, Random, check_within};
use proptest::prelude::*;
use sluice_gzip::{Encoder, Memory, Repeat, bound};

/// What a body is made of.
#[derive(Clone, Debug)]
enum Piece {
    Frame(usize),
    Number(u64),
    Id(u64, usize),
    Bytes(Vec<u8>),
    Run(u8, usize),
    /// What stood `distance` before, as far as there is something.
    Again {
        distance: usize,
        len: usize,
    },
    Noise(u64, usize),
}

const FRAMES: [&str; 6] = [
    "{\"create\":{}}\n{\"@timestamp\":\"2026-11-25T12:00:00.",
    "\",\"message\":\"",
    "\",\"stream\":\"stdout\"}\n",
    "GET /api/v1/orders/",
    " level=info msg=\"request done\" duration=",
    "java.lang.IllegalStateException: no such element\\n\\tat com.example.Shop.find(Shop.java:",
];

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        8 => (0..FRAMES.len()).prop_map(Piece::Frame),
        4 => any::<u64>().prop_map(Piece::Number),
        2 => (any::<u64>(), 0..40_usize).prop_map(|(seed, len)| Piece::Id(seed, len)),
        2 => prop::collection::vec(any::<u8>(), 0..60).prop_map(Piece::Bytes),
        1 => (any::<u8>(), 0..2000_usize).prop_map(|(byte, len)| Piece::Run(byte, len)),
        2 => (1..70_000_usize, 0..1000_usize)
            .prop_map(|(distance, len)| Piece::Again { distance, len }),
        1 => (any::<u64>(), 0..20_000_usize).prop_map(|(seed, len)| Piece::Noise(seed, len)),
    ]
}

fn build(pieces: &[Piece], times: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for piece in std::iter::repeat_n(pieces, times).flatten() {
        match piece {
            Piece::Frame(frame) => body.extend(FRAMES[*frame].as_bytes()),
            Piece::Number(number) => {
                body.extend(number.wrapping_mul(body.len() as u64).to_string().bytes());
            }
            Piece::Id(seed, len) => {
                body.extend(Random(seed ^ body.len() as u64 | 1).bytes(*len, b"0123456789abcdef"));
            }
            Piece::Bytes(bytes) => body.extend(bytes),
            Piece::Run(byte, len) => body.extend(std::iter::repeat_n(byte, *len)),
            Piece::Again { distance, len } => {
                for _ in 0..*len {
                    let Some(from) = body.len().checked_sub(*distance) else { break };
                    body.push(body[from]);
                }
            }
            Piece::Noise(seed, len) => body.extend(Random(seed | 1).bytes(*len, b"")),
        }
    }
    body
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    (prop::collection::vec(piece(), 0..60), 1..20_usize)
        .prop_map(|(pieces, times)| build(&pieces, times))
}

fn hints() -> impl Strategy<Value = Vec<Repeat>> {
    let one = (0..100_000_u32, 0..600_u32, 1..40_000_u32).prop_map(|(at, len, back)| Repeat {
        at,
        len,
        from: at.wrapping_sub(back),
    });
    (prop::collection::vec(one, 0..100), any::<bool>()).prop_map(|(mut hints, sorted)| {
        if sorted {
            hints.sort_by_key(|hint| hint.at);
        }
        hints
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn bodies_come_back(bodies in prop::collection::vec((body(), hints()), 1..4)) {
        let mut encoders = Encoders::new();
        for (body, hints) in bodies {
            encoders.check(&body, &hints, "body");
        }
    }

    #[test]
    fn random_bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
        Encoders::new().check(&bytes, &[], "random");
    }

    #[test]
    fn few_letters_come_back(bytes in prop::collection::vec(0..3_u8, 0..5000)) {
        Encoders::new().check(&bytes, &[], "few letters");
    }

    /// A member in pieces inflates to the pieces joined.
    #[test]
    fn pieces_come_back(texts in prop::collection::vec((body(), hints()), 0..6)) {
        let mut encoder = Encoder::new(Memory::CarriedOver);
        for _ in 0..2 {
            let (mut all, mut member, mut bytes_max) = (Vec::new(), Vec::new(), bound(0));
            for (text, hints) in &texts {
                encoder.push(text, hints, &mut member);
                all.extend(text);
                bytes_max += bound(text.len());
            }
            encoder.finish(&mut member);
            check_within(&all, &member, bytes_max, "pieces");
        }
    }
}
