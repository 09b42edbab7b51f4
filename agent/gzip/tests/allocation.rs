//! An encoder takes its memory when it is made, and none afterwards.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{Random, documents};
use sluice_gzip::{Encoder, Memory, bound};

thread_local! {
    static TAKEN: Cell<Taken> = const { Cell::new(Taken { times: 0, bytes: 0 }) };
}

/// From the heap by this thread.
#[derive(Clone, Copy)]
struct Taken {
    times: usize,
    bytes: usize,
}

struct Counting;

// SAFETY: the system's allocator does the work.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count(bytes);
        // SAFETY: the caller's.
        unsafe { System.realloc(old, layout, bytes) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn count(bytes: usize) {
    // A thread that ends takes memory after its locals are gone.
    let _ = TAKEN.try_with(|taken| {
        let Taken { times, bytes: before } = taken.get();
        taken.set(Taken { times: times + 1, bytes: before + bytes });
    });
}

fn taken<T>(work: impl FnOnce() -> T) -> (T, Taken) {
    let before = TAKEN.get();
    let out = work();
    let after = TAKEN.get();
    (out, Taken { times: after.times - before.times, bytes: after.bytes - before.bytes })
}

#[test]
fn nothing_is_taken_after_the_encoder_is_made() {
    for memory in [Memory::CarriedOver, Memory::PerMember] {
        let (mut encoder, made) = taken(|| Encoder::new(memory));
        assert!(made.bytes <= Encoder::MEMORY_BYTES, "{} bytes", made.bytes);
        assert!(made.times > 0, "the count counts");
        let mut random = Random(1);
        let (logs, repeats) = documents(&mut random, 700_000);
        let noise = random.bytes(600_000, b"");
        let mut out = Vec::with_capacity(bound(logs.len()) + bound(noise.len()));
        for _ in 0..3 {
            for (body, repeats) in [(&logs, &repeats[..]), (&noise, &[]), (&Vec::new(), &[])] {
                out.clear();
                let ((), more) = taken(|| encoder.encode(body, repeats, &mut out));
                assert_eq!(more.times, 0, "{} bytes", more.bytes);
                out.clear();
                let ((), more) = taken(|| {
                    body.chunks(100_000).for_each(|text| encoder.push(text, &[], &mut out));
                    encoder.finish(&mut out);
                });
                assert_eq!(more.times, 0, "{} bytes", more.bytes);
            }
        }
    }
}
