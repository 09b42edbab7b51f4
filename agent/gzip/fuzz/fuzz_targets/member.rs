//! Any body with any hints comes back, and every processor writes the same.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use sluice_gzip::{Encoder, Memory};
use sluice_gzip_fuzz::{Body, member};

thread_local! {
    // They forget between members, so making them anew would only cost time.
    static ENCODERS: RefCell<[Encoder; 2]> = RefCell::new([
        Encoder::new(Memory::PerMember),
        Encoder::portable(Memory::PerMember),
    ]);
}

fuzz_target!(|body: Body<'_>| {
    let bytes = body.bytes();
    let hints = body.hints(bytes.len());
    ENCODERS.with_borrow_mut(|encoders| {
        let [one, other] = encoders.each_mut().map(|encoder| member(encoder, &bytes, &hints));
        assert!(one == other, "without vector instructions other bytes");
    });
});
