//! Documents of texts that have fields.

use std::collections::BTreeSet;
use std::fmt;

use proptest::prelude::*;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};

use super::*;
use crate::core::{FieldFormat, FieldRules};
use crate::decode::escape_into;

/// Refuses an object, at any depth, that has a name twice.
#[derive(Clone, Copy)]
struct NoNameTwice;

impl<'de> DeserializeSeed<'de> for NoNameTwice {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NoNameTwice {
    type Value = ();
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            map.next_value_seed(self)?;
            if names.contains(&name) {
                return Err(A::Error::custom(format!("{name:?} stands twice")));
            }
            names.insert(name);
        }
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self)?.is_some() {}
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

fn checked(document: &str) -> Value {
    let mut parser = serde_json::Deserializer::from_str(document);
    NoNameTwice.deserialize(&mut parser).unwrap_or_else(|error| panic!("{error}: {document}"));
    serde_json::from_str(document).unwrap()
}

/// The index, the document, and the format that the text was not of.
fn made(
    shape: Shape,
    fields: FieldRules,
    event: &Event<'_>,
) -> (String, String, Option<&'static str>) {
    let mut encoder =
        Encoder::new(EncoderSettings { shape, codec: Codec::Stored, batch_bytes: 4 << 20 });
    let tail = Tail::new(shape, &origin(), "/logs/access.log", "shop");
    let rules = Rules { target: "shop".into(), zone: Zone::Utc, fields, ..Rules::default() };
    encoder.begin(slice(0), Arc::new(tail), Arc::new(Target::new(rules).unwrap()));
    push(&mut encoder, event);
    let unparsed = encoder.take_unparsed();
    assert_eq!(encoder.take_unparsed(), None);
    let batch = encoder.seal(BatchId(1), 0);
    let text = String::from_utf8(batch.body.bytes.to_vec()).unwrap();
    let (_, document) = text.split_once('\n').unwrap();
    checked(document);
    (batch.indices[0].to_string(), document.trim_end().to_owned(), unparsed)
}

fn of(format: FieldFormat) -> FieldRules {
    FieldRules { format, ..FieldRules::default() }
}

fn timed(key: &str) -> FieldRules {
    FieldRules { format: FieldFormat::Json, time_key: Some(key.into()), time_format: None }
}

fn escaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    escape_into(&mut out, text);
    out
}

fn line_of_file<'a>(text: &'a [&'a [u8]]) -> Event<'a> {
    Event { stream: None, time: None, ..event(text) }
}

#[test]
fn an_access_log_in_a_file() {
    let text = escaped(r#"::1 web.example - [25/Nov/2026:09:00:00 +0100] "GET /a HTTP/1.1" 200 7"#);
    let text: [&[u8]; 1] = [&text];
    let (index, document, unparsed) =
        made(Shape::Pilot, of(FieldFormat::Nginx), &line_of_file(&text));
    assert_eq!((index.as_str(), unparsed), ("shop-2026.11.25", None));
    assert_eq!(
        document,
        concat!(
            r#"{"@timestamp":"2026-11-25T08:00:00.000000000Z","#,
            r#""message":"::1 web.example - [25/Nov/2026:09:00:00 +0100] \"GET /a HTTP/1.1\" 200 7","#,
            r#""time":"2026-11-25T08:00:00.000000000Z","remote":"::1","log_host":"web.example","#,
            r#""user":"-","method":"GET","path":"/a","code":"200","size":"7","offset":42,"#,
            r#""order":"2026-11-25T08:00:00.000000000Z-0000000012a","index":"shop","#,
            r#""topic":"mine","docker_container":"web","host":"node-1","container_id":"4f5e","#,
            r#""image":"nginx:1.27","source":"/logs/access.log","a_b":"c","k8s_pod":"web-0"}"#,
        )
    );
    let (_, document, unparsed) = made(Shape::Pilot, of(FieldFormat::Nginx), &event(&text));
    assert_eq!(unparsed, None);
    let document = checked(&document);
    // The runtime's time stays the event's, and the text's is a field.
    assert_eq!(document["@timestamp"], std::str::from_utf8(TIME).unwrap());
    assert_eq!(document["time"], document["@timestamp"]);
    assert_eq!(document["log_time"], "25/Nov/2026:09:00:00 +0100");
    assert_eq!(document["log"], document["message"]);
}

#[test]
fn a_text_of_another_format_stays_as_it_is() {
    let text: [&[u8]; 1] = [br#"2026/11/25 [error] \"x\""#];
    for shape in [Shape::Ecs, Shape::Pilot, Shape::PilotStrict] {
        let raw = made(shape, FieldRules::default(), &line_of_file(&text));
        let (index, document, unparsed) = made(shape, of(FieldFormat::Nginx), &line_of_file(&text));
        assert_eq!((index, document), (raw.0, raw.1));
        assert_eq!((raw.2, unparsed), (None, Some("nginx")));
    }
}

#[test]
fn names_that_a_document_has_already() {
    let text = escaped(
        &json!({
            "host": "h", "log_host": "i", "index": 1, "_id": 2, "_source": {}, "a.b": 3, "a_b": 4,
            "k8s_pod": 5, "docker_app": 6, "log": 7, "stream": 8, "": 9, "@timestamp": 10,
            "message": {"x": 1}, "order": 11, "docker": 12, "mine": true,
        })
        .to_string(),
    );
    let text: [&[u8]; 1] = [&text];
    let (_, document, _) = made(Shape::Pilot, of(FieldFormat::Json), &line_of_file(&text));
    let document = checked(&document);
    let expect = json!({
        "host": "node-1", "log_host": "h", "log_log_host": "i", "index": "shop", "log_index": 1,
        "log__id": 2, "log__source": {}, "a_b": "c", "log_a_b": 3, "log_log_a_b": 4,
        "k8s_pod": "web-0", "log_k8s_pod": 5, "log_docker_app": 6, "log": 7, "stream": 8,
        "log__": 9, "log_@timestamp": 10, "log_message": {"x": 1}, "log_order": 11,
        "log_docker": 12, "mine": true,
    });
    for (name, value) in expect.as_object().unwrap() {
        assert_eq!(document.get(name), Some(value), "{name} in {document}");
    }
    assert!(document["message"].as_str().unwrap().starts_with("{\""));
    let (_, document, _) = made(Shape::Pilot, of(FieldFormat::Json), &event(&text));
    let document = checked(&document);
    assert_eq!((&document["log_log"], &document["log_stream"]), (&json!(7), &json!(8)));
    let (_, document, _) = made(Shape::Ecs, of(FieldFormat::Json), &event(&text));
    let fields = &checked(&document)["fields"];
    assert_eq!(
        (&fields["host"], &fields["a_b"], &fields["log_a_b"]),
        (&json!("h"), &json!(3), &json!(4))
    );
    assert_eq!((&fields["_id"], &fields["_"]), (&json!(2), &json!(9)));
}

#[test]
fn a_message_in_an_object_is_the_documents() {
    let text = escaped(r#"{"message":"say \"x\"","level":"warn"}"#);
    let text: [&[u8]; 1] = [&text];
    let rules = || of(FieldFormat::Json);
    let document = |shape, event| checked(&made(shape, rules(), &event).1);
    let pilot = document(Shape::Pilot, line_of_file(&text));
    assert_eq!(pilot["message"], "say \"x\"");
    assert_eq!(pilot["level"], "warn");
    let stdout = document(Shape::Pilot, event(&text));
    assert_eq!(stdout["message"], "say \"x\"");
    assert_eq!(stdout["log"], r#"{"message":"say \"x\"","level":"warn"}"#);
    let ecs = document(Shape::Ecs, event(&text));
    assert_eq!(ecs["message"], r#"{"message":"say \"x\"","level":"warn"}"#);
    assert_eq!(ecs["fields"], json!({"message": "say \"x\"", "level": "warn"}));
}

#[test]
fn what_log_pilot_wrote() {
    let check = |rules: FieldRules, event: &Event<'_>, expect: &str| {
        let (_, document, _) = made(Shape::PilotStrict, rules, event);
        let (own, tail) = document.split_once(r#","index":"#).unwrap();
        assert_eq!(own, expect);
        assert_eq!(
            tail,
            concat!(
                r#""shop","topic":"mine","docker_container":"web","host":"node-1","#,
                r#""a_b":"c","k8s_pod":"web-0"}"#,
            )
        );
    };
    let raw = FieldRules::default;
    let text: [&[u8]; 2] = [b"a\\t", b"b"];
    check(
        raw(),
        &event(&text),
        r#"{"log":"a\tb\n","stream":"stdout","time":"2026-11-25T08:59:05.120000000Z""#,
    );
    let attrs = Event { attrs: Some(br#"{"tag":"x"}"#), partial: true, ..event(&text) };
    check(
        raw(),
        &attrs,
        r#"{"log":"a\tb","stream":"stdout","time":"2026-11-25T08:59:05.120000000Z","attrs":{"tag":"x"}"#,
    );
    let undated = r#"{"message":"a\tb","time":"2026-11-26T00:00:00.000000000Z""#;
    check(raw(), &line_of_file(&text), undated);
    let object = escaped(r#"{"t":"2026-11-24 10:00:00","offset":5,"host":"h"}"#);
    let object: [&[u8]; 1] = [&object];
    check(
        timed("t"),
        &line_of_file(&object),
        r#"{"time":"2026-11-24T10:00:00.000000000Z","offset":5,"log_host":"h""#,
    );
    // It did not look into stdout.
    check(
        timed("t"),
        &event(&object),
        r#"{"log":"{\"t\":\"2026-11-24 10:00:00\",\"offset\":5,\"host\":\"h\"}\n","stream":"stdout","time":"2026-11-25T08:59:05.120000000Z""#,
    );
    let message = escaped(r#"{"message":"m","x":1}"#);
    let message: [&[u8]; 1] = [&message];
    check(
        of(FieldFormat::Json),
        &line_of_file(&message),
        r#"{"message":"m","time":"2026-11-26T00:00:00.000000000Z","x":1"#,
    );
}

/// The day of reading is 2026-11-26.
#[test]
fn a_time_in_a_text_decides_the_index_only_near_the_day_of_reading() {
    let check = |time: &str, index: &str, timestamp: &str| {
        let text = escaped(&json!({"t": time, "x": 1}).to_string());
        let text: [&[u8]; 1] = [&text];
        for shape in [Shape::Ecs, Shape::Pilot] {
            let (got, document, _) = made(shape, timed("t"), &line_of_file(&text));
            assert_eq!(got, index, "{time}");
            let document = checked(&document);
            assert_eq!(document["@timestamp"], timestamp);
            let is_undated = document["undated"] == true || document["event"]["undated"] == true;
            assert_eq!(is_undated, timestamp.starts_with("2026-11-26T00:00:00.0"));
        }
    };
    check("2026-11-23T00:00:00Z", "shop-2026.11.23", "2026-11-23T00:00:00.000000000Z");
    check("2026-11-29T23:59:59Z", "shop-2026.11.29", "2026-11-29T23:59:59.000000000Z");
    check("2026-11-22T23:59:59Z", "shop-2026.11.26", "2026-11-22T23:59:59.000000000Z");
    check("9999-01-01T00:00:00Z", "shop-2026.11.26", "9999-01-01T00:00:00.000000000Z");
    check("soon", "shop-2026.11.26", "2026-11-26T00:00:00.000000000Z");
}

#[test]
fn fields_of_one_event_are_not_the_nexts() {
    let mut encoder = Encoder::new(EncoderSettings {
        shape: Shape::Ecs,
        codec: Codec::Stored,
        batch_bytes: 4 << 20,
    });
    let tail = Arc::new(Tail::new(Shape::Ecs, &origin(), "/p", "t"));
    let json = Rules { target: "a".into(), fields: of(FieldFormat::Json), ..Rules::default() };
    let json = Arc::new(Target::new(json).unwrap());
    let object = escaped(r#"{"x":1}"#);
    for (target, text) in [
        (&json, &object[..]),
        (&rules("b", Zone::Utc), &object[..]),
        (&json, b"plain"),
        (&json, &object[..]),
    ] {
        encoder.begin(slice(0), tail.clone(), target.clone());
        push(&mut encoder, &event(&[text]));
    }
    let batch = encoder.seal(BatchId(1), 0);
    let text = String::from_utf8(batch.body.bytes.to_vec()).unwrap();
    let fields: Vec<Value> =
        text.lines().skip(1).step_by(2).map(|line| checked(line)["fields"].clone()).collect();
    assert_eq!(fields, [json!({"x": 1}), Value::Null, Value::Null, json!({"x": 1})]);
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "message",
            "log",
            "host",
            "time",
            "stream",
            "log_host",
            "index",
            "a.b",
            "a_b",
            "_id",
            "@timestamp",
            "offset",
            "fields",
            "",
            "docker",
            "attrs",
            "k8s_pod",
        ])
        .prop_map(str::to_owned),
        "[a._]{0,3}",
        any::<String>(),
    ]
}

proptest! {
    /// Whatever text and format, a document is legal, and none of what the text says is lost.
    #[test]
    fn any_text_of_any_format_makes_a_legal_document(
        members in prop::collection::vec((names(), any::<String>()), 0..8),
        line in any::<String>(), of_file in any::<bool>(),
    ) {
        let object: serde_json::Map<String, Value> =
            members.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let keys: Vec<String> =
            members.iter().map(|(name, _)| name.clone()).chain(["k".into()]).collect();
        let csv: Vec<String> = members
            .iter()
            .map(|(_, value)| format!("\"{}\"", value.replace('"', "\"\"")))
            .collect();
        let object_text = Value::from(object.clone()).to_string();
        for (fields, text) in [
            (of(FieldFormat::Json), &object_text),
            (timed("time"), &object_text),
            (of(FieldFormat::Json), &line),
            (of(FieldFormat::Csv { keys: keys.clone() }), &csv.join(",")),
            (of(FieldFormat::Csv { keys }), &line),
            (of(FieldFormat::Regexp { pattern: "(?<host>.)(?<_id>.*)".into() }), &line),
        ] {
            let bytes = escaped(text);
            let pieces: [&[u8]; 1] = [&bytes];
            let event = if of_file { line_of_file(&pieces) } else { event(&pieces) };
            for shape in [Shape::Ecs, Shape::Pilot, Shape::PilotStrict] {
                let (_, document, unparsed) = made(shape, fields.clone(), &event);
                let document = checked(&document);
                let text_of = if shape == Shape::PilotStrict && !of_file { "log" } else { "message" };
                if unparsed.is_some() {
                    prop_assert_eq!(
                        document[text_of].as_str().map(|it| it.trim_end_matches('\n')),
                        Some(text.trim_end_matches('\n'))
                    );
                } else if *text == object_text && shape != Shape::PilotStrict {
                    let fields = if shape == Shape::Ecs { &document["fields"] } else { &document };
                    for value in object.values() {
                        let mut values = fields.as_object().into_iter().flat_map(|it| it.values());
                        prop_assert!(values.any(|it| it == value), "{value} in {document}");
                    }
                }
            }
        }
    }
}
