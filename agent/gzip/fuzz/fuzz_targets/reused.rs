#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_gzip_fuzz::{Body, reused};

fuzz_target!(|bodies: Vec<(Body<'_>, bool)>| reused(&bodies));
