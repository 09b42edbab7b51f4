//! What both targets do: bodies out of pieces, hints of any kind, and the check.
//!
//! It is here, and not in the targets, so that `tests/seeds.rs` can do the same without a fuzzer.

use std::io::Read;

use arbitrary::Arbitrary;
use sluice_gzip::{Encoder, Memory, Repeat};

/// Longer bodies are cut here; two segments and a little.
const BODY_BYTES_MAX: usize = 600 << 10;

/// What a body is made of. Few bytes of the fuzzer's become many of the body's, or the ends of
/// segments would never be reached.
#[derive(Arbitrary, Debug)]
enum Piece<'a> {
    Bytes(&'a [u8]),
    Text(&'a str),
    Run(u8, u16),
    /// The generator's, out of the first so many letters of an alphabet.
    Noise {
        seed: u32,
        letters: u8,
        len: u16,
    },
    /// What stood there before.
    Again {
        distance: u32,
        len: u16,
    },
    Number(u32),
}

#[derive(Arbitrary, Debug)]
struct Hint {
    at: u32,
    len: u16,
    back: u16,
}

#[derive(Arbitrary, Debug)]
pub struct Body<'a> {
    pieces: Vec<Piece<'a>>,
    hints: Vec<Hint>,
    is_sorted: bool,
}

impl Body<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => body.extend_from_slice(bytes),
                Piece::Text(text) => body.extend_from_slice(text.as_bytes()),
                Piece::Run(byte, len) => body.resize(body.len() + usize::from(*len), *byte),
                Piece::Noise { seed, letters, len } => noise(*seed, *letters, *len, &mut body),
                Piece::Again { distance, len } => {
                    for _ in 0..*len {
                        let from = body.len().checked_sub(*distance as usize % (70 << 10) + 1);
                        let Some(&byte) = from.and_then(|from| body.get(from)) else { break };
                        body.push(byte);
                    }
                }
                Piece::Number(number) => body.extend_from_slice(number.to_string().as_bytes()),
            }
            if body.len() > BODY_BYTES_MAX {
                body.truncate(BODY_BYTES_MAX);
                break;
            }
        }
        body
    }

    /// Within the body or not, right or wrong.
    fn hints(&self, body_bytes: usize) -> Vec<Repeat> {
        let one = |hint: &Hint| {
            let at = match hint.at >> 31 {
                0 => hint.at % (body_bytes as u32 + 100),
                _ => hint.at,
            };
            let from = at.wrapping_sub(u32::from(hint.back));
            Repeat { at, len: u32::from(hint.len), from }
        };
        let mut hints: Vec<_> = self.hints.iter().map(one).collect();
        if self.is_sorted {
            hints.sort_by_key(|hint| hint.at);
        }
        hints
    }
}

/// Any body with any hints comes back, and every processor writes the same. Encoders that forget
/// between members, as making them anew would only cost time.
pub struct Member([Encoder; 2]);

impl Member {
    pub fn new() -> Self {
        Self([Encoder::new(Memory::PerMember), Encoder::portable(Memory::PerMember)])
    }

    pub fn run(&mut self, body: &Body) {
        let bytes = body.bytes();
        both(&mut self.0, &bytes, &body.hints(bytes.len()));
    }
}

/// One encoder, many bodies, whole and in pieces; with each, whether it is a member's last piece.
pub fn reused(bodies: &[(Body, bool)]) {
    let mut encoders = [Encoder::new(Memory::CarriedOver), Encoder::portable(Memory::CarriedOver)];
    let mut pieces = (Vec::new(), Vec::new());
    let mut in_pieces = Encoder::new(Memory::CarriedOver);
    for (body, is_last_piece) in bodies {
        let bytes = body.bytes();
        let hints = body.hints(bytes.len());
        both(&mut encoders, &bytes, &hints);
        in_pieces.push(&bytes, &hints, &mut pieces.0);
        pieces.1.extend_from_slice(&bytes);
        if *is_last_piece {
            in_pieces.finish(&mut pieces.0);
            check(&pieces.0, &pieces.1);
            pieces = (Vec::new(), Vec::new());
        }
    }
}

fn both(encoders: &mut [Encoder; 2], body: &[u8], hints: &[Repeat]) {
    let [one, other] = encoders.each_mut().map(|encoder| member(encoder, body, hints));
    assert!(one == other, "without vector instructions other bytes");
}

fn noise(seed: u32, letters: u8, len: u16, body: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] =
        b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ \"";
    let mut state = u64::from(seed) << 1 | 1;
    for _ in 0..len {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let bits = (state >> 40) as usize;
        body.push(match usize::from(letters) {
            0 => bits as u8,
            letters => ALPHABET[bits % letters.min(64)],
        });
    }
}

/// One member of `body`, checked.
fn member(encoder: &mut Encoder, body: &[u8], hints: &[Repeat]) -> Vec<u8> {
    let mut member = Vec::new();
    encoder.encode(body, hints, &mut member);
    assert!(member.len() <= sluice_gzip::bound(body.len()), "{} bytes", member.len());
    check(&member, body);
    member
}

/// Two inflaters that share no code read `body` in it.
fn check(member: &[u8], body: &[u8]) {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(member).read_to_end(&mut plain).expect("zlib-rs reads it");
    assert!(plain == body, "zlib-rs reads something else");
    let plain = miniz_oxide::inflate::decompress_to_vec(&member[10..]).expect("miniz_oxide too");
    assert!(plain == body, "miniz_oxide reads something else");
}
