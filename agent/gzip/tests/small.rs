//! Bodies that are small enough for an interpreter that watches every access:
//! `cargo +nightly miri test -p sluice-gzip --test small`.

mod common;

use common::{Encoders, Random};
use sluice_gzip::Repeat;

#[test]
fn small_bodies() {
    let mut encoders = Encoders::new();
    let mut random = Random(1);
    for len in [0, 1, 5, 6, 95, 96, 97, 130] {
        encoders.check(&random.bytes(len, b"ab"), &[], &format!("{len} of two letters"));
        encoders.check(&random.bytes(len, b""), &[], &format!("{len} of any bytes"));
    }
}

#[test]
fn small_documents() {
    let mut encoders = Encoders::new();
    let mut random = Random(2);
    let (mut body, mut repeats, mut last) = (Vec::new(), Vec::new(), None);
    for number in 0..8_u32 {
        let id = random.bytes(12, b"0123456789abcdef");
        body.extend(
            format!("{{\"n\":{number},\"at\":\"12:00:{:02}.{}\",", number * 3, 7 * number).bytes(),
        );
        body.extend(id);
        let at = body.len() as u32;
        if let Some(from) = last {
            repeats.push(Repeat { at, len: 30, from });
            repeats.push(Repeat { at: at + 90, len: 500, from: from + 1 });
        }
        last = Some(at);
        body.extend(b"\",\"service\":\"order-service\",\"level\":\"info\"}\n");
    }
    encoders.check(&body, &repeats, "documents");
    encoders.check(&body, &[], "documents without hints");
}
