//! What the fuzzer found worth keeping, without the fuzzer.
//!
//! `fuzz/seeds` holds for each target few inputs that together reach all that it ever reached. To
//! look for more, and to keep what is new:
//!
//! ```text
//! cd agent/gzip
//! mkdir -p fuzz/corpus/member fewer
//! cargo +nightly fuzz run member fuzz/corpus/member fuzz/seeds/member -- -max_len=16384
//! cargo +nightly fuzz run member fewer fuzz/seeds/member fuzz/corpus/member -- -set_cover_merge=1
//! ```

#[allow(dead_code, unreachable_pub, reason = "a crate of its own, for the fuzzer")]
#[allow(clippy::pedantic, reason = "as tests are")]
#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};

/// At least so many there must be, so that a directory that moved is not a test that passes.
const SEEDS_MIN: usize = 50;

fn seeds(target: &str) -> impl Iterator<Item = Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let entries = std::fs::read_dir(&directory).expect("seeds are kept with the targets");
    let paths: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    assert!(paths.len() >= SEEDS_MIN, "{} in {}", paths.len(), directory.display());
    paths.into_iter().map(|path| std::fs::read(path).expect("it can be read"))
}

/// As the fuzzer makes them of bytes.
fn made<'a, T: Arbitrary<'a>>(seed: &'a [u8]) -> T {
    T::arbitrary_take_rest(Unstructured::new(seed)).expect("a seed was an input")
}

#[test]
fn member() {
    let mut member = fuzz::Member::new();
    seeds("member").for_each(|seed| member.run(&made(&seed)));
}

#[test]
fn reused() {
    seeds("reused").for_each(|seed| fuzz::reused(&made::<Vec<_>>(&seed)));
}
