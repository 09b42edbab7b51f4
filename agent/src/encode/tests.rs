//! Documents of both shapes, and batches made and taken apart.

mod fields;

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::core::{BatchId, DamageReason, Epoch, IdPrefix, Origin, Pod, SourceToken, Stream};
use crate::decode::{Decoder, Event, FileContext, Flow, Format, Sink};

const FILE: FileContext = FileContext { prefix: IdPrefix(*b"abcdefghijklmnop"), base: 0x100 };
const TIME: &[u8; 30] = b"2026-11-25T08:59:05.120000000Z";

fn origin() -> Origin {
    Origin {
        container_id: "4f5e".into(),
        container_name: "web".into(),
        image: "nginx:1.27".into(),
        pod: Some(Pod {
            namespace: "shop".into(),
            name: "web-0".into(),
            uid: "9a7c".into(),
            container: "app".into(),
        }),
        labels: [("app.kubernetes.io/name", "web"), ("tier", "\"front\"")]
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
        node: "node-1".into(),
        extra: [("k8s_pod", "web-0"), ("topic", "mine"), ("offset", "no"), ("a.b", "c")]
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
    }
}

fn rules(target: &str, zone: Zone) -> Arc<Target> {
    let rules = Rules { target: target.into(), zone, event_bytes_max: 4 << 20, ..Rules::default() };
    Arc::new(Target::new(rules).unwrap())
}

fn slice(source: u32) -> Slice {
    Slice {
        source: SourceToken(source),
        epoch: Epoch(0),
        name: "web 4f5e-json.log".into(),
        prefix: FILE.prefix,
        believed_below: 0,
        raw: None,
    }
}

fn event<'a>(text: &'a [&'a [u8]]) -> Event<'a> {
    Event {
        file: FILE,
        offset: 0x2a,
        raw_len: 80,
        stream: Some(Stream::Stdout),
        time: Some(TIME),
        text,
        attrs: None,
        partial: false,
        damage: None,
    }
}

fn encoder(shape: Shape, codec: Codec) -> Encoder {
    let mut encoder = Encoder::new(EncoderSettings { shape, codec, batch_bytes: 4 << 20 });
    let tail = Tail::new(shape, &origin(), "/logs/4f5e-json.log", "shop");
    encoder.begin(slice(0), Arc::new(tail), rules("shop", Zone::Utc));
    encoder
}

/// 2026-11-26, 00:00:00.
fn seen() -> Seen {
    let midnight = i64::from(Day::from_date(2026, 11, 26).epoch_days()) * 86_400;
    Seen::of_wall(midnight * 1_000_000_000)
}

fn push(encoder: &mut Encoder, event: &Event<'_>) {
    let index = encoder.index_of(event, seen());
    encoder.push(event, index, seen(), 7);
}

/// The lines of the one document that the event becomes.
fn lines(shape: Shape, event: &Event<'_>) -> (String, String) {
    let mut encoder = encoder(shape, Codec::Stored);
    push(&mut encoder, event);
    let batch = encoder.seal(BatchId(1), 0);
    let text = String::from_utf8(batch.body.bytes.to_vec()).unwrap();
    let (action, document) = text.split_once('\n').unwrap();
    assert_eq!(document.matches('\n').count(), 1);
    assert!(document.ends_with('\n'));
    (action.to_owned(), document.trim_end().to_owned())
}

/// What a file's lines were written with is gone with the file, and its memory becomes another's.
#[test]
fn a_body_does_not_depend_on_where_tails_lie() {
    let body = |are_kept: bool| {
        let mut encoder = encoder(Shape::Ecs, Codec::Sluice);
        let begin = |encoder: &mut Encoder, path: &str| {
            let tail = Arc::new(Tail::new(Shape::Ecs, &origin(), path, "shop"));
            encoder.begin(slice(0), tail.clone(), rules("shop", Zone::Utc));
            tail
        };
        let mut kept = Vec::new();
        for _ in 0..100 {
            let tail = begin(&mut encoder, "/logs/4f5e-json.log");
            push(&mut encoder, &event(&[b"GET /"]));
            // A turn that comes to no event.
            begin(&mut encoder, "/logs/another-json.log");
            kept.extend(Some(tail).filter(|_| are_kept));
        }
        encoder.seal(BatchId(1), 0).body.bytes
    };
    assert!(body(true) == body(false));
}

#[test]
fn ecs_document() {
    let (action, document) = lines(Shape::Ecs, &event(&[b"GET \\\"/\\\"", b" 200"]));
    assert_eq!(
        action,
        r#"{"create":{"_index":"shop-2026.11.25","_id":"abcdefghijklmnop0000000002a"}}"#
    );
    assert_eq!(
        document,
        concat!(
            r#"{"@timestamp":"2026-11-25T08:59:05.120000000Z","message":"GET \"/\" 200","#,
            r#""stream":"stdout","log":{"offset":42,"#,
            r#""order":"2026-11-25T08:59:05.120000000Z-0000000012a","#,
            r#""file":{"path":"/logs/4f5e-json.log"}},"#,
            r#""container":{"id":"4f5e","name":"web","image":{"name":"nginx:1.27"},"#,
            r#""labels":{"app_kubernetes_io/name":"web","tier":"\"front\""}},"#,
            r#""kubernetes":{"namespace":"shop","pod":{"name":"web-0","uid":"9a7c"},"#,
            r#""container":{"name":"app"}},"host":{"name":"node-1"}}"#,
        )
    );
}

#[test]
fn a_line_of_a_file_has_no_stream_and_the_day_for_a_time() {
    let text: [&[u8]; 1] = [b"x"];
    let event = Event { time: None, stream: None, ..event(&text) };
    let (_, document) = lines(Shape::Ecs, &event);
    let head = concat!(
        r#"{"@timestamp":"2026-11-26T00:00:00.000000000Z","message":"x","#,
        r#""event":{"undated":true},"log":{"offset":42,"#,
    );
    assert!(document.starts_with(head), "{document}");
    let (_, document) = lines(Shape::Pilot, &event);
    let marked =
        r#""message":"x","time":"2026-11-26T00:00:00.000000000Z","undated":true,"offset":42,"#;
    assert!(document.contains(marked), "{document}");
    serde_json::from_str::<Value>(&document).unwrap();
}

#[test]
fn ecs_document_with_marks() {
    let text: [&[u8]; 1] = [b"x"];
    let event = Event {
        time: None,
        partial: true,
        damage: Some(DamageReason::Torn),
        stream: Some(Stream::Stderr),
        attrs: Some(br#"{"a.b":"1","a_b":"2","\u0074ag":"<"}"#),
        ..event(&text)
    };
    let (action, document) = lines(Shape::Ecs, &event);
    assert!(action.contains(r#""shop-2026.11.26""#), "{action}");
    assert!(
        document.starts_with(concat!(
            r#"{"@timestamp":"2026-11-26T00:00:00.000000000Z","message":"x","stream":"stderr","#,
            r#""event":{"partial":true,"damage":"torn","undated":true},"#,
            r#""docker":{"attrs":{"a_b":"2","tag":"<"}},"log":{"#,
        )),
        "{document}"
    );
    serde_json::from_str::<Value>(&document).unwrap();
}

#[test]
fn pilot_document() {
    let (_, document) = lines(Shape::Pilot, &event(&[b"hello"]));
    assert_eq!(
        document,
        concat!(
            r#"{"@timestamp":"2026-11-25T08:59:05.120000000Z","message":"hello","#,
            r#""log":"hello","stream":"stdout","time":"2026-11-25T08:59:05.120000000Z","offset":42,"#,
            r#""order":"2026-11-25T08:59:05.120000000Z-0000000012a","#,
            r#""index":"shop","topic":"mine","docker_container":"web","host":"node-1","#,
            r#""container_id":"4f5e","image":"nginx:1.27","source":"/logs/4f5e-json.log","#,
            r#""a_b":"c","k8s_pod":"web-0"}"#,
        )
    );
    let text: [&[u8]; 1] = [b""];
    let undated = Event { time: None, damage: Some(DamageReason::NotJson), ..event(&text) };
    let (_, document) = lines(Shape::Pilot, &undated);
    let start = concat!(
        r#""stream":"stdout","time":"2026-11-26T00:00:00.000000000Z","#,
        r#""damage":"not_json","undated":true,"offset":42,"#,
    );
    assert!(document.contains(start), "{document}");
}

#[test]
fn a_container_of_which_nothing_is_known() {
    for shape in [Shape::Ecs, Shape::Pilot, Shape::PilotStrict] {
        let mut encoder =
            Encoder::new(EncoderSettings { shape, codec: Codec::Stored, batch_bytes: 1 });
        let tail = Tail::new(shape, &Origin::default(), "", "");
        encoder.begin(slice(0), Arc::new(tail), rules("shop", Zone::Utc));
        push(&mut encoder, &event(&[b"x"]));
        let batch = encoder.seal(BatchId(1), 0);
        for line in batch.body.bytes.split_inclusive(|&b| b == b'\n') {
            serde_json::from_slice::<Value>(line).unwrap();
        }
    }
}

/// Answers in the course of a batch, over the ends of minutes and days.
#[test]
fn index_follows_the_record_and_the_zone() {
    let check = |zone: &str, time: &str, index: &str| {
        let mut encoder = encoder(Shape::Ecs, Codec::Stored);
        let tail = Arc::new(Tail::new(Shape::Ecs, &origin(), "", ""));
        encoder.begin(slice(0), tail, rules("t", Zone::parse(zone).unwrap()));
        let other = encoder.index_of(&event(&[]), seen());
        let time: [u8; 30] = time.as_bytes().try_into().unwrap();
        let event = Event { time: Some(&time), ..event(&[]) };
        for _ in 0..2 {
            let number = encoder.index_of(&event, seen());
            assert_eq!(&**encoder.index_name(number), index, "{zone}");
        }
        assert_eq!(encoder.index_of(&Event { time: Some(TIME), ..event }, seen()), other);
        // Noon is the same day in all of these zones.
        let noon = Seen::of_wall((seen().seconds() + 43_200) * 1_000_000_000);
        let undated = encoder.index_of(&Event { time: None, ..event }, noon);
        assert_eq!(&**encoder.index_name(undated), "t-2026.11.26");
    };
    check("UTC", "2026-11-25T23:59:59.999999999Z", "t-2026.11.25");
    check("UTC", "2026-11-26T00:00:00.000000000Z", "t-2026.11.26");
    check("+08:00", "2026-11-25T15:59:59.999999999Z", "t-2026.11.25");
    check("+08:00", "2026-11-25T16:00:00.000000000Z", "t-2026.11.26");
    check("Asia/Shanghai", "2026-11-25T16:00:00.000000000Z", "t-2026.11.26");
    check("-0330", "2026-11-25T03:29:00.000000000Z", "t-2026.11.24");
    // Summer time ends on 2026-10-25 at 01:00 UTC.
    check("Europe/Berlin", "2026-10-24T21:59:00.000000000Z", "t-2026.10.24");
    check("Europe/Berlin", "2026-10-24T22:00:00.000000000Z", "t-2026.10.25");
    check("Europe/Berlin", "2026-10-25T22:59:00.000000000Z", "t-2026.10.25");
    check("UTC", "0001-01-01T00:00:00.000000000Z", "t-0001.01.01");
    check("-01:00", "0000-01-01T00:00:00.000000000Z", "t-0000.01.01");
    check("+01:00", "9999-12-31T23:30:00.000000000Z", "t-9999.12.31");
}

#[test]
fn slices_and_indices_are_numbered_once() {
    let mut encoder = encoder(Shape::Ecs, Codec::ZlibRs { level: 1 });
    let tail = Arc::new(Tail::new(Shape::Ecs, &origin(), "/p", "t"));
    assert!(encoder.is_empty() && encoder.opened_mono_ns().is_none());
    for round in 0..3 {
        for source in [1, 2, 1] {
            let name = if source == 1 { "one" } else { "two" };
            encoder.begin(slice(source), tail.clone(), rules(name, Zone::Utc));
            push(&mut encoder, &event(&[b"x"]));
        }
        assert_eq!(encoder.opened_mono_ns(), Some(7));
        let batch = encoder.seal(BatchId(round), 3);
        assert_eq!((batch.id, batch.worker), (BatchId(round), 3));
        let names: Vec<_> = batch.indices.iter().map(|name| &name[..]).collect();
        assert_eq!(names, ["one-2026.11.25", "two-2026.11.25"]);
        let sources: Vec<_> = batch.slices.iter().map(|slice| slice.source.0).collect();
        assert_eq!(sources, [1, 2]);
        let table: Vec<_> = batch.documents.iter().map(|d| (d.slice, d.index)).collect();
        assert_eq!(table, [(0, 0), (1, 1), (0, 0)]);
        // Without another `begin` the slice goes on in the next batch.
        push(&mut encoder, &event(&[b"x"]));
        assert_eq!(encoder.seal(BatchId(9), 0).slices.len(), 1);
    }
}

fn batch(codec: Codec, lens: &[usize]) -> Batch {
    let mut encoder = encoder(Shape::Ecs, codec);
    for (number, &len) in lens.iter().enumerate() {
        let text = number.to_string().repeat(len).into_bytes();
        push(&mut encoder, &Event { offset: number as u64, ..event(&[&text]) });
    }
    encoder.seal(BatchId(1), 0)
}

fn documents(batch: &Batch) -> Vec<(u64, Vec<u8>)> {
    let plain = inflate(batch).unwrap();
    let part = |number| plain[document(batch, number)].to_vec();
    let all: Vec<_> =
        batch.documents.iter().enumerate().map(|(at, doc)| (doc.offset, part(at))).collect();
    assert_eq!(all.iter().map(|(_, bytes)| bytes.len()).sum::<usize>(), plain.len());
    all
}

proptest! {
    #[test]
    fn batches_come_apart(
        lens in prop::collection::vec(prop_oneof![9 => 0..50_usize, 1 => 0..400_000_usize], 2..20),
        keep in prop::collection::vec(any::<bool>(), 20),
        codec in prop::sample::select(vec![Codec::Sluice, Codec::ZlibRs { level: 1 }, Codec::Stored]),
    ) {
        let whole = batch(codec, &lens);
        let all = documents(&whole);
        prop_assert_eq!(all.len(), lens.len());
        let keep: Vec<u32> = (0..lens.len() as u32).filter(|&at| keep[at as usize]).collect();
        let some = select(&whole, &keep).unwrap();
        prop_assert_eq!(some.body.encoding, whole.body.encoding);
        let expect: Vec<_> = keep.iter().map(|&at| all[at as usize].clone()).collect();
        prop_assert_eq!(documents(&some), expect);
        let (first, second) = split(&whole).unwrap();
        prop_assert!(!first.documents.is_empty() && !second.documents.is_empty());
        prop_assert_eq!([documents(&first), documents(&second)].concat(), all);
    }

    #[test]
    fn any_bytes_make_valid_documents(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        valid_documents(&bytes);
    }

    #[test]
    fn any_records_make_valid_documents(
        log in any::<String>(), attr in any::<String>(), key in any::<String>(), pilot in any::<bool>()
    ) {
        let record = json!({
            "log": format!("{log}\n"), "stream": "stderr", "attrs": { key.as_str(): attr.as_str() },
            "time": "2026-11-25T08:59:05.12Z",
        });
        let line = format!("{record}\n");
        let shape = if pilot { Shape::Pilot } else { Shape::Ecs };
        let got = encoded(shape, line.as_bytes());
        prop_assert_eq!(got.len(), 1);
        prop_assert_eq!(&got[0]["message"], &json!(log));
        let attrs = got[0]["docker"]["attrs"].as_object().unwrap();
        prop_assert_eq!(attrs.values().collect::<Vec<_>>(), [&json!(attr)]);
    }
}

/// Decodes and encodes a file, and parses what came of it.
fn encoded(shape: Shape, bytes: &[u8]) -> Vec<Value> {
    struct Encode(Encoder);
    impl Sink for Encode {
        fn event(&mut self, event: &Event<'_>) -> Flow {
            push(&mut self.0, event);
            Flow::Go
        }
        fn damage(&mut self, _: DamageReason, _: u64) {}
    }
    let mut sink = Encode(encoder(shape, Codec::Stored));
    let mut decoder = Decoder::new(Format::Docker, 4 << 20);
    decoder.finish(FILE, 0, bytes, &mut sink);
    for stream in Stream::ALL {
        decoder.cut(stream, &mut sink);
    }
    let batch = sink.0.seal(BatchId(1), 0);
    let lines: Vec<_> = batch.body.bytes.split(|&b| b == b'\n').collect();
    assert_eq!(lines.len(), batch.documents.len() * 2 + 1);
    let parse = |line: &&[u8]| serde_json::from_slice::<Value>(line).unwrap();
    lines.iter().step_by(2).take(batch.documents.len()).for_each(|line| drop(parse(line)));
    lines.iter().skip(1).step_by(2).map(parse).collect()
}

fn valid_documents(bytes: &[u8]) {
    for shape in [Shape::Ecs, Shape::Pilot] {
        for document in encoded(shape, bytes) {
            assert!(document["message"].is_string());
        }
    }
}

#[test]
fn names_of_indices() {
    let check = |given: &str, expect: &str| {
        let (used, renamed) = sanitise(given);
        assert_eq!(used, expect);
        assert_eq!(renamed.is_some(), given != expect);
        assert_eq!(sanitise(&used), (used.clone(), None));
    };
    check("shop", "shop");
    check("Shop", "shop");
    check("a/b\\c*d?e\"f<g>h|i j,k#l:m", "a_b_c_d_e_f_g_h_i_j_k_l_m");
    check(".kibana", "kibana");
    check("-_+.x-_+.", "x-_+.");
    check("..", "sluice");
    check("", "sluice");
    check("tab\tnew\nline", "tab_new_line");
    check("ÄÖ", "äö");
    let long = "ä".repeat(200);
    check(&long, &"ä".repeat(122));
}

#[test]
fn rules_are_stored_as_in_the_first_release() {
    let check = |zone: Zone, release: &[u8]| {
        let rules = Rules { target: "t".into(), zone, event_bytes_max: 300, ..Rules::default() };
        assert_eq!(postcard::to_stdvec(&rules).unwrap(), release);
        assert_eq!(postcard::from_bytes::<Rules>(release), Ok(rules));
    };
    check(Zone::Utc, b"\x01t\0\xac\x02\0\0\0\0");
    check(Zone::Fixed { seconds: -60 }, b"\x01t\x01\x77\xac\x02\0\0\0\0");
    check(Zone::Named("A/B".into()), b"\x01t\x02\x03A/B\xac\x02\0\0\0\0");
    assert_eq!(postcard::to_stdvec(&Day::from_date(2026, 11, 25)).unwrap(), b"\xdc\xc4\x02");
}

#[test]
fn zones() {
    assert_eq!(Zone::parse("utc"), Ok(Zone::Utc));
    assert_eq!(Zone::parse("+08:00"), Ok(Zone::Fixed { seconds: 28_800 }));
    assert_eq!(Zone::parse("-0330"), Ok(Zone::Fixed { seconds: -12_600 }));
    assert_eq!(Zone::parse("+8"), Ok(Zone::Fixed { seconds: 28_800 }));
    assert_eq!(Zone::parse("Asia/Shanghai"), Ok(Zone::Named("Asia/Shanghai".into())));
    assert_eq!(Zone::parse("Mars/Olympus"), Err(ZoneError::Unknown("Mars/Olympus".into())));
    assert_eq!(Zone::parse("+99:00"), Err(ZoneError::Range(356_400)));
    assert!(
        Zone::parse("+1:2:3").is_err() && Zone::parse("+").is_err() && Zone::parse("").is_err()
    );
    Zone::parse("local").unwrap();
    let target = rules("t", Zone::Fixed { seconds: 3_600 });
    assert_eq!(target.day_of(Seen::of_wall(23 * 3_600_000_000_000)).date(), (1970, 1, 2));
    assert_eq!(target.day_of(Seen::of_wall(-1)).date(), (1970, 1, 1));
}
