//! Events do not depend on where chunks end, nor on restarts between them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice::core::{DamageReason, IdPrefix, Stream};
use sluice::decode::{Decoder, Event, FileContext, Flow, Format, Sink};

const FILE: FileContext = FileContext { prefix: IdPrefix([b'p'; 16]), base: 0 };

type Owned = (u64, u32, Stream, Option<[u8; 30]>, Vec<u8>, Option<Vec<u8>>, bool);

#[derive(Default, PartialEq, Debug)]
struct Collect(Vec<(Owned, Option<DamageReason>)>, u64);

impl Sink for Collect {
    fn event(&mut self, event: &Event<'_>) -> Flow {
        let Event { file: _, offset, raw_len, stream, time, text, attrs, partial, damage } = *event;
        let owned = (
            offset,
            raw_len,
            stream,
            time.copied(),
            text.concat(),
            attrs.map(<[u8]>::to_vec),
            partial,
        );
        self.0.push((owned, damage));
        Flow::Go
    }

    fn damage(&mut self, _: DamageReason, bytes: u64) {
        self.1 += bytes;
    }
}

fn decode(file: &[u8], event_bytes_max: usize, ends: &[u8]) -> Collect {
    let mut sink = Collect::default();
    let mut decoder = Decoder::new(Format::Docker, event_bytes_max);
    let mut from = 0;
    let mut end = 0;
    for &more in ends {
        end = file.len().min(end + usize::from(more));
        from += decoder.push(FILE, from as u64, &file[from..end.max(from)], &mut sink).consumed;
        let carry = decoder.carry();
        decoder = Decoder::new(Format::Docker, event_bytes_max);
        decoder.restore(carry);
    }
    from += decoder.finish(FILE, from as u64, &file[from..], &mut sink).consumed;
    assert_eq!(from, file.len());
    for stream in Stream::ALL {
        decoder.cut(stream, &mut sink);
    }
    sink
}

fuzz_target!(|input: (u8, [u8; 8], &[u8])| {
    let (max, ends, file) = input;
    let max = if max == 0 { 4 << 20 } else { usize::from(max) };
    assert_eq!(decode(file, max, &[]), decode(file, max, &ends));
});
