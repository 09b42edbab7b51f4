//! Hints, right and wrong.

mod common;

use common::{Encoders, Random, documents};
use sluice_gzip::{Encoder, Memory, Repeat};

#[test]
fn right_hints() {
    let mut encoders = Encoders::new();
    let mut random = Random(1);
    for round in 0..40 {
        let len = random.below(if round % 10 == 0 { 900_000 } else { 60_000 });
        let (body, repeats) = documents(&mut random, len);
        encoders.check(&body, &[], &format!("{round} without hints"));
        encoders.check(&body, &repeats, &format!("{round} with hints"));
    }
}

#[test]
fn right_hints_do_not_make_it_longer() {
    let (body, repeats) = documents(&mut Random(2), 500_000);
    let [with, without] = [&repeats[..], &[]].map(|repeats| {
        let mut member = Vec::new();
        Encoder::new(Memory::PerMember).encode(&body, repeats, &mut member);
        member.len()
    });
    assert!(with <= without + without / 100, "{with} with, {without} without");
}

#[test]
fn wrong_hints() {
    let mut encoders = Encoders::new();
    let mut random = Random(3);
    for round in 0..40 {
        let len = 1 + random.below(if round % 10 == 0 { 900_000 } else { 60_000 });
        let (body, _) = documents(&mut random, len);
        let mut any = || random.below(len + 100) as u32;
        let mut wrong: Vec<_> =
            (0..200).map(|_| Repeat { at: any(), len: any() % 2000, from: any() }).collect();
        wrong.push(Repeat { at: u32::MAX, len: u32::MAX, from: u32::MAX - 1 });
        wrong.push(Repeat { at: 0, len: u32::MAX, from: 0 });
        encoders.check(&body, &wrong, &format!("{round}, in no order"));
        wrong.sort_by_key(|wrong| wrong.at);
        encoders.check(&body, &wrong, &format!("{round}, sorted"));
        wrong.reverse();
        encoders.check(&body, &wrong, &format!("{round}, backwards"));
    }
}

#[test]
fn a_hint_at_every_position() {
    let (body, _) = documents(&mut Random(4), 20_000);
    let mut encoders = Encoders::new();
    for back in [1, 7, 300, 32_768, 32_769] {
        let repeats: Vec<_> =
            (back..body.len() as u32).map(|at| Repeat { at, len: 10, from: at - back }).collect();
        encoders.check(&body, &repeats, &format!("all {back} back"));
    }
}
