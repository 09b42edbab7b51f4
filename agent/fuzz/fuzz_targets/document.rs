//! Whatever stands in a file, its documents are valid JSON, one for each entry of the table.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use sluice::core::{BatchId, DamageReason, Epoch, IdPrefix, Origin, SourceToken, Stream};
use sluice::decode::{Decoder, Event, FileContext, Flow, Format, Sink};
use sluice::encode::{
    Batch, Codec, Day, Encoder, EncoderSettings, Rules, Shape, Slice, Tail, Target, Zone, document,
};

const FILE: FileContext = FileContext { prefix: IdPrefix([b'p'; 16]), base: 7 };

struct Encode(Encoder);

impl Sink for Encode {
    fn event(&mut self, event: &Event<'_>) -> Flow {
        let index = self.0.index_of(event, Day::default());
        self.0.push(event, index, Day::default(), 1);
        Flow::Go
    }

    fn damage(&mut self, _: DamageReason, _: u64) {}
}

fn batch(shape: Shape, file: &[u8]) -> Batch {
    let settings = EncoderSettings { shape, codec: Codec::Stored, batch_bytes: 4 << 10 };
    let mut sink = Encode(Encoder::new(settings));
    let slice = Slice {
        source: SourceToken(0),
        epoch: Epoch(0),
        name: "fuzz".into(),
        prefix: FILE.prefix,
        believed_below: 0,
        raw: None,
    };
    let rules = Rules { target: "fuzz".into(), zone: Zone::Utc, event_bytes_max: 64, ..Rules::default() };
    let tail = Tail::new(shape, &Origin::default(), "/log", &rules.target);
    let target = Target::new(rules).expect("UTC is always known");
    sink.0.begin(slice, Arc::new(tail), Arc::new(target));
    let mut decoder = Decoder::new(Format::Docker, 64);
    decoder.finish(FILE, 0, file, &mut sink);
    for stream in Stream::ALL {
        decoder.cut(stream, &mut sink);
    }
    sink.0.seal(BatchId(0), 0)
}

fuzz_target!(|file: &[u8]| {
    for shape in [Shape::Ecs, Shape::Pilot] {
        let batch = batch(shape, file);
        for number in 0..batch.documents.len() {
            let lines = &batch.body.bytes[document(&batch, number)];
            let mut lines = lines.split(|&byte| byte == b'\n');
            for _ in 0..2 {
                let line = lines.next().expect("an action and a document");
                serde_json::from_slice::<serde_json::Value>(line).expect("valid JSON");
            }
            assert_eq!((lines.next(), lines.next()), (Some(&b""[..]), None));
        }
    }
});
