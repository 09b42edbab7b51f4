#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use sluice_gzip_fuzz::{Body, Member};

thread_local! {
    static MEMBER: RefCell<Member> = RefCell::new(Member::new());
}

fuzz_target!(|body: Body<'_>| MEMBER.with_borrow_mut(|member| member.run(&body)));
