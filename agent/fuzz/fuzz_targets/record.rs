//! A line that is taken apart without a parser means the same to a parser.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    sluice::decode::fuzzing::compare_paths(line);
});
