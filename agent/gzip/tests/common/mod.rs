//! What all suites of this crate share: the check by two inflaters, and texts by seed.
#![allow(dead_code, reason = "each suite uses its part")]

use std::io::Read;

use sluice_gzip::{Encoder, Memory, Repeat, bound};

/// `member` must inflate to `body` by two inflaters of different authors, and be within the bound.
pub(crate) fn check(body: &[u8], member: &[u8], what: &str) {
    check_within(body, member, bound(body.len()), what);
}

/// The same with another bound, as a member in pieces has.
pub(crate) fn check_within(body: &[u8], member: &[u8], bytes_max: usize, what: &str) {
    // Miri refuses what zlib-rs does with its own memory.
    if !cfg!(miri) {
        let mut plain = Vec::with_capacity(body.len());
        let mut decoder = flate2::read::GzDecoder::new(member);
        decoder.read_to_end(&mut plain).unwrap_or_else(|error| panic!("{what}: zlib-rs: {error}"));
        assert!(plain == body, "{what}: zlib-rs reads something else");
        assert!(decoder.into_inner().is_empty(), "{what}: bytes behind the member");
    }

    let (blocks, trailer) = member[10..].split_at(member.len() - 18);
    let plain = miniz_oxide::inflate::decompress_to_vec_with_limit(blocks, body.len() + 1)
        .unwrap_or_else(|error| panic!("{what}: miniz_oxide: {error}"));
    assert!(plain == body, "{what}: miniz_oxide reads something else");
    assert_eq!(trailer[4..], (body.len() as u32).to_le_bytes(), "{what}: length");
    let len = member.len();
    assert!(len <= bytes_max, "{what}: {} bytes became {len}, beyond {bytes_max}", body.len());
}

/// Encoders that live from body to body, in pairs that must agree.
pub(crate) struct Encoders {
    carrying: [Encoder; 2],
    forgetting: [Encoder; 2],
}

impl Encoders {
    pub(crate) fn new() -> Self {
        let pair = |memory| [Encoder::new(memory), Encoder::portable(memory)];
        Self { carrying: pair(Memory::CarriedOver), forgetting: pair(Memory::PerMember) }
    }

    pub(crate) fn check(&mut self, body: &[u8], repeats: &[Repeat], what: &str) {
        for pair in [&mut self.carrying, &mut self.forgetting] {
            let [member, portable] = pair.each_mut().map(|encoder| {
                let mut member = Vec::new();
                encoder.encode(body, repeats, &mut member);
                member
            });
            check(body, &member, what);
            assert!(member == portable, "{what}: without vector instructions other bytes");
        }
        let mut again = Vec::new();
        Encoder::new(Memory::PerMember).encode(body, repeats, &mut again);
        let mut member = Vec::new();
        self.forgetting[0].encode(body, repeats, &mut member);
        assert!(member == again, "{what}: an encoder that forgets remembers something");
    }
}

/// xorshift64*.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Bytes out of `alphabet`, any if it is empty.
    pub(crate) fn bytes(&mut self, len: usize, alphabet: &[u8]) -> Vec<u8> {
        let byte = |random: &mut Self| match alphabet.len() {
            0 => random.next() as u8,
            letters => alphabet[random.below(letters)],
        };
        (0..len).map(|_| byte(self)).collect()
    }
}

/// Documents with a frame, words, numbers and ids, now and then bytes that cannot be compressed,
/// and the hints that are right for them.
pub(crate) fn documents(random: &mut Random, len: usize) -> (Vec<u8>, Vec<Repeat>) {
    let words: Vec<Vec<u8>> = (0..50)
        .map(|_| {
            let len = 1 + random.below(30);
            random.bytes(len, b"abcdefghijklm.ABC-_/")
        })
        .collect();
    let tail_bytes = 5 + random.below(700);
    let tail = random.bytes(tail_bytes, b"abc\":,0123");
    let (mut body, mut repeats, mut last) = (Vec::new(), Vec::new(), None);
    while body.len() < len {
        for _ in 0..random.below(12) {
            let piece = match random.below(4) {
                0 => {
                    let len = random.below(12);
                    random.bytes(len, b"0123456789")
                }
                1 => {
                    let len = random.below(40);
                    random.bytes(len, b"0123456789abcdef")
                }
                _ => words[random.below(words.len())].clone(),
            };
            body.extend(piece);
            body.push(b' ');
        }
        if random.below(100) == 0 {
            let len = random.below(50_000);
            body.extend(random.bytes(len, b""));
        }
        if let Some(from) = last {
            repeats.push(Repeat { at: body.len() as u32, len: tail.len() as u32, from });
        }
        last = Some(body.len() as u32);
        body.extend(&tail);
    }
    (body, repeats)
}
