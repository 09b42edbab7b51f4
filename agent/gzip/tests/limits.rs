//! Sizes, lengths and distances around every limit that the format or the encoder has.

mod common;

use common::{Encoders, Random, check};
use sluice_gzip::{Encoder, Memory, bound};

fn around(of: usize) -> impl Iterator<Item = usize> {
    of.saturating_sub(2)..of + 3
}

#[test]
fn sizes() {
    let mut encoders = Encoders::new();
    let mut random = Random(1);
    let limits = [1 << 10, 16 << 10, 0xffff, (256 << 10) - 96, 256 << 10, 512 << 10];
    for len in (0..200).chain(limits.into_iter().flat_map(around)) {
        encoders.check(&vec![b'a'; len], &[], &format!("{len} times a"));
        for alphabet in [&b""[..], b"0123456789", b"ab\"{ ", b"\xff\xfe"] {
            let body = random.bytes(len, alphabet);
            encoders.check(&body, &[], &format!("{len} of {alphabet:?}"));
        }
    }
}

#[test]
fn lengths_and_distances() {
    let mut encoders = Encoders::new();
    let mut random = Random(2);
    for len in (3..20).chain(250..266).chain(510..522).chain([1000, 4094, 4096, 4100, 9000]) {
        for distance in [0, 1, 31, 32, 33, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537] {
            let piece = random.bytes(len, b"");
            let mut body = random.bytes(1500, b"");
            body.extend(&piece);
            body.extend(random.bytes(distance.max(len) - len, b""));
            body.extend(&piece);
            let rest = random.below(200);
            body.extend(random.bytes(rest, b""));
            encoders.check(&body, &[], &format!("{len} bytes at {distance}"));
        }
    }
}

#[test]
fn short_periods() {
    let mut encoders = Encoders::new();
    let mut random = Random(3);
    for period in 1..70 {
        for len in [100, 300, 5000, 20_000] {
            let unit = random.bytes(period, b"");
            let body: Vec<u8> = unit.into_iter().cycle().take(len).collect();
            encoders.check(&body, &[], &format!("period {period} over {len}"));
        }
    }
}

#[test]
fn matches_across_the_ends_of_segments() {
    let mut encoders = Encoders::new();
    let mut random = Random(4);
    for end in [16 << 10, 256 << 10] {
        for before in [0, 1, 5, 6, 40, 97, 200, 4000, 4095, 4096, 4097] {
            let mut body = random.bytes(end - before, b"abcdefgh 0123");
            let unit = random.bytes(37, b"");
            body.extend(unit.iter().cycle().take(before + 10_000));
            body.extend(random.bytes(300 << 10, b"abcdefgh 0123"));
            encoders.check(&body, &[], &format!("{before} before {end}"));
        }
    }
}

#[test]
fn content_that_changes() {
    let mut encoders = Encoders::new();
    let mut random = Random(5);
    let alphabets =
        [&b""[..], b"0123456789abcdef", b"ab", b"x", b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij+/"];
    for round in 0..20 {
        let mut body = Vec::new();
        for _ in 0..8 {
            let len = random.below(200_000);
            let alphabet = alphabets[random.below(alphabets.len())];
            body.extend(random.bytes(len, alphabet));
        }
        encoders.check(&body, &[], &format!("changes, {round}"));
    }
}

/// A code made for one kind of bytes must not make another kind longer than the bound.
#[test]
fn a_code_that_does_not_suit() {
    let mut encoder = Encoder::new(Memory::CarriedOver);
    let mut random = Random(6);
    for len in [10, 1000, 1030, 20_000, 300_000] {
        let mut member = Vec::new();
        encoder.encode(&vec![b'a'; 300_000], &[], &mut member);
        member.clear();
        let body = random.bytes(len, b"\x80\x90\xa0\xf1\xf2\xf3\xe4\x05\x15\x25");
        encoder.encode(&body, &[], &mut member);
        check(&body, &member, &format!("{len} bytes by a code for others"));
        member.clear();
        let body = random.bytes(len, b"");
        encoder.encode(&body, &[], &mut member);
        check(&body, &member, &format!("{len} random bytes by a code for others"));
    }
}

#[test]
fn bound_is_the_body_and_little_more() {
    for (len, more) in [(0, 22), (1, 49), (256 << 10, 49), (1 << 20, 22 + 4 * 27), (4 << 20, 454)] {
        assert_eq!(bound(len), len + more);
    }
}
