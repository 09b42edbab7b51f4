//! The bytes that come out, by check sum: the same on every processor, with and without the feature
//! `safe`. Whoever changes what is written changes the sums here, on purpose.

mod common;

use common::{Random, documents};
use sluice_gzip::{Encoder, Memory, Repeat};

/// Length and check sum of four bodies' members by one encoder.
const CARRIED_OVER: [(usize, u32); 4] = [
    (229_994, 1_940_582_914),
    (313_497, 3_608_693_423),
    (442, 1_007_508_278),
    (306_561, 2_043_243_632),
];
const PER_MEMBER: [(usize, u32); 4] = [
    (229_994, 1_940_582_914),
    (313_259, 116_508_059),
    (442, 1_007_508_278),
    (306_561, 2_043_243_632),
];

fn bodies() -> [(Vec<u8>, Vec<Repeat>); 4] {
    let mut random = Random(11);
    let (plain, _) = documents(&mut random, 300_000);
    let hinted = documents(&mut random, 600_000);
    let small = documents(&mut random, 700);
    let noise = random.bytes(400_000, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/");
    [(plain, vec![]), hinted, small, (noise, vec![])]
}

fn check(memory: Memory, expect: [(usize, u32); 4]) {
    for mut encoder in [Encoder::new(memory), Encoder::portable(memory)] {
        let members = bodies().map(|(body, repeats)| {
            let mut member = Vec::new();
            encoder.encode(&body, &repeats, &mut member);
            common::check(&body, &member, "golden");
            (member.len(), crc32fast::hash(&member))
        });
        assert_eq!(members, expect, "{memory:?}");
    }
}

#[test]
fn carried_over() {
    check(Memory::CarriedOver, CARRIED_OVER);
}

#[test]
fn per_member() {
    check(Memory::PerMember, PER_MEMBER);
}
