//! Lines that are one event: by hand, and against a joiner that is as plain as can be.

use proptest::prelude::*;

use super::*;
use crate::core::{JoinRules, JoinSide};

/// What an event says, with its text unescaped.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Joined {
    file: FileContext,
    offset: u64,
    raw_len: u32,
    stream: Option<Stream>,
    time: Option<Vec<u8>>,
    attrs: Option<Vec<u8>>,
    text: String,
    /// Bytes of the escaped text.
    bytes: usize,
    partial: bool,
    damage: Option<DamageReason>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Event(Joined),
    Cut(Stream),
}

#[derive(Default)]
struct Collected {
    items: Vec<Item>,
    /// Answers to come, in turn.
    answers: Vec<Flow>,
}

impl Sink for Collected {
    fn event(&mut self, event: &Event<'_>) -> Flow {
        let flow = self.answers.pop().unwrap_or(Flow::Go);
        if flow != Flow::Refuse {
            let escaped = event.text.concat();
            let text = [&b"\""[..], &escaped, b"\""].concat();
            self.items.push(Item::Event(Joined {
                file: event.file,
                offset: event.offset,
                raw_len: event.raw_len,
                stream: event.stream,
                time: event.time.map(|time| time.to_vec()),
                attrs: event.attrs.map(<[u8]>::to_vec),
                text: serde_json::from_slice(&text).unwrap(),
                bytes: escaped.len(),
                partial: event.partial,
                damage: event.damage,
            }));
        }
        flow
    }

    fn damage(&mut self, _: DamageReason, _: u64) {}
}

/// How a file is offered.
struct Way<'a> {
    format: Format,
    rules: Option<&'a JoinRules>,
    event_bytes_max: usize,
    cuts: &'a [(usize, Stream)],
    ends: &'a [usize],
    answers: Vec<Flow>,
}

impl Way<'_> {
    fn decoder(&self, carry: Option<Carry>) -> Decoder {
        let mut decoder = Decoder::new(self.format, self.event_bytes_max);
        decoder.set_join(self.rules).unwrap();
        let stored = postcard::to_stdvec(&carry).unwrap();
        decoder.restore(postcard::from_bytes(&stored).unwrap());
        decoder
    }

    /// The events of a finished file, and where the cuts lie between them. Whatever is refused is
    /// offered again from where it stood.
    fn decode(&self, bytes: &[u8]) -> Vec<Item> {
        let mut sink = Collected { answers: self.answers.clone(), ..Collected::default() };
        let mut decoder = self.decoder(None);
        let mut from = 0;
        for end in self.ends.iter().copied().chain([bytes.len()]) {
            while from < end {
                let cut = self.cuts.iter().map(|(place, _)| *place);
                let cut = cut.filter(|cut| *cut > from && *cut <= end).min();
                let piece = &bytes[from..cut.unwrap_or(end)];
                let (before, taken) = (decoder.carry(), sink.items.len());
                let pushed = match (cut, self.format) {
                    (Some(_), Format::Text) => {
                        decoder.push_and_cut(FILE, from as u64, piece, &mut sink)
                    }
                    _ => decoder.push(FILE, from as u64, piece, &mut sink),
                };
                if pushed.flow == Flow::Refuse {
                    decoder.restore(before);
                    sink.items.truncate(taken);
                    continue;
                }
                from += pushed.consumed;
                self.cut(&mut decoder, from, &mut sink);
                decoder = self.decoder(decoder.carry());
                if pushed.flow == Flow::Go && cut.is_none() {
                    break;
                }
            }
        }
        while from < bytes.len() {
            let (before, taken) = (decoder.carry(), sink.items.len());
            let pushed = decoder.finish(FILE, from as u64, &bytes[from..], &mut sink);
            if pushed.flow == Flow::Refuse {
                decoder.restore(before);
                sink.items.truncate(taken);
                continue;
            }
            from += pushed.consumed;
        }
        for stream in Stream::ALL {
            while decoder.cut(stream, &mut sink) == Flow::Refuse {}
            sink.items.push(Item::Cut(stream));
            assert_eq!(decoder.open(stream), None);
        }
        assert_eq!(decoder.carry_bytes(), 0);
        sink.items
    }

    fn cut(&self, decoder: &mut Decoder, place: usize, sink: &mut Collected) {
        for (_, stream) in self.cuts.iter().filter(|(cut, _)| *cut == place) {
            let taken = sink.items.len();
            let before = decoder.carry();
            while decoder.cut(*stream, sink) == Flow::Refuse {
                decoder.restore(before.clone());
                sink.items.truncate(taken);
            }
            sink.items.push(Item::Cut(*stream));
        }
    }

    fn events(&self, bytes: &[u8]) -> Vec<Joined> {
        let events = self.decode(bytes).into_iter().filter_map(|item| match item {
            Item::Event(event) => Some(event),
            Item::Cut(_) => None,
        });
        events.collect()
    }
}

fn way<'a>(format: Format, rules: &'a JoinRules) -> Way<'a> {
    Way {
        format,
        rules: Some(rules),
        event_bytes_max: 4 << 20,
        cuts: &[],
        ends: &[],
        answers: Vec::new(),
    }
}

fn rules(pattern: &str, negate: bool, side: JoinSide) -> JoinRules {
    JoinRules { pattern: pattern.to_owned(), negate, side, ..JoinRules::default() }
}

fn before(pattern: &str) -> JoinRules {
    rules(pattern, false, JoinSide::Before)
}

/// The events of these lines, as a file and as Docker's records. `+` in front marks a part.
#[track_caller]
fn check(rules: &JoinRules, lines: &[&str], expect: &[&str]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let records: Vec<u8> = lines
        .iter()
        .flat_map(|line| docker(format!("{line}\n").as_bytes(), "stdout", TIME))
        .collect();
    for (format, bytes) in [(Format::Text, text.as_bytes()), (Format::Docker, &records)] {
        let events = way(format, rules).events(bytes);
        let found: Vec<_> = events
            .iter()
            .map(|event| format!("{}{}", if event.partial { "+" } else { "" }, event.text))
            .collect();
        assert_eq!(found, expect, "{format:?}");
    }
}

const TRACE: [&str; 9] = [
    "10:00 starting",
    "Exception in thread \"main\" java.lang.IllegalStateException: \u{e9}",
    "\tat com.example.Book.getId(Book.java:38)",
    "\tat com.example.Main.main(Main.java:12)",
    "Caused by: java.lang.NullPointerException",
    "\tat com.example.Book.getTitle(Book.java:22)",
    "\t... 1 more",
    "10:01 going on",
    "\tno frame",
];

#[test]
fn a_java_stack_trace_is_one_event() {
    let trace = TRACE[1..7].join("\n");
    check(
        &before(r"^\s+(at|\.{3})\s+\b|^Caused by:"),
        &TRACE,
        &[TRACE[0], &trace, TRACE[7], TRACE[8]],
    );
}

#[test]
fn lines_without_a_date_belong_to_the_one_before() {
    check(
        &rules(r"^\d{4}-", true, JoinSide::Before),
        &["2026-11-26 a", "b", "", "  c", "2026-11-26 d", "2026-11-26 e", "f"],
        &["2026-11-26 a\nb\n\n  c", "2026-11-26 d", "2026-11-26 e\nf"],
    );
    // What comes first has nothing to belong to.
    check(
        &rules(r"^\d{4}-", true, JoinSide::Before),
        &["a", "b", "2026-11-26 c"],
        &["a\nb", "2026-11-26 c"],
    );
}

#[test]
fn a_python_traceback_is_one_event() {
    let trace = [
        "Traceback (most recent call last):",
        "  File \"a.py\", line 3, in <module>",
        "    raise ValueError(\"\\d\")",
        "ValueError: \\d",
    ];
    let lines = [&["INFO begin"][..], &trace, &["INFO end"]].concat();
    check(
        &before(r"^\s+|^\w+(Error|Exception): "),
        &lines,
        &["INFO begin", &trace.join("\n"), "INFO end"],
    );
}

#[test]
fn a_backslash_continues_on_the_next_line() {
    let behind = rules(r"\\$", false, JoinSide::Behind);
    check(
        &behind,
        &["one", "two \\", "three \\", "four", "five", "six \\"],
        &["one", "two \\\nthree \\\nfour", "five", "six \\"],
    );
    // The other way round: all belongs to the line behind it that ends in a semicolon.
    check(
        &rules(";$", true, JoinSide::Behind),
        &["select 1", "from t;", "commit;", "select"],
        &["select 1\nfrom t;", "commit;", "select"],
    );
}

#[test]
fn an_event_that_ends_at_once_is_not_waited_for() {
    let behind = rules(r"\\$", false, JoinSide::Behind);
    let flushing = JoinRules { flush_pattern: Some("^END".to_owned()), ..before("^ ") };
    for (rules, line) in [(&behind, &b"a\\\nb\n"[..]), (&flushing, b"a\n b\nEND x\n")] {
        let mut sink = Collected::default();
        let mut decoder = way(Format::Text, rules).decoder(None);
        decoder.push(FILE, 0, line, &mut sink);
        assert_eq!((sink.items.len(), decoder.carry()), (1, None));
    }
}

#[test]
fn a_line_that_flushes_belongs_to_the_event_that_it_ends() {
    let rules = JoinRules {
        flush_pattern: Some("^END".to_owned()),
        ..rules("^START", true, JoinSide::Before)
    };
    check(
        &rules,
        &["START", "a", "END", "b", "c", "START", "d", "END", "END"],
        &["START\na\nEND", "b\nc", "START\nd\nEND", "END"],
    );
    // Whatever the pattern says of it, and not as the first line of an event.
    let rules = JoinRules { flush_pattern: Some("^--".to_owned()), ..before("^ ") };
    check(&rules, &["--", " a", "--", " b", "c", "--"], &["--\n a\n--", " b", "c\n--"]);
}

#[test]
fn more_lines_than_allowed_go_on_in_a_part() {
    let rules = JoinRules { lines_max: 3, ..before("^ ") };
    check(
        &rules,
        &["a", " 1", " 2", " 3", " 4", " 5", " 6", "b", " 1", " 2", "c"],
        &["+a\n 1\n 2", "+ 3\n 4\n 5", "+ 6", "b\n 1\n 2", "c"],
    );
    let rules = JoinRules { lines_max: 1, ..before("^ ") };
    check(&rules, &["a", " 1", "b"], &["+a", "+ 1", "b"]);
}

#[test]
fn an_event_does_not_grow_beyond_its_bytes() {
    let rules = before("^ ");
    let way = Way { event_bytes_max: 12, ..way(Format::Text, &rules) };
    // The newline between them counts as it is written, with two bytes.
    let events = way.events(b"aaaa\n 123456\n 1\nbbbb\n 12345\n 1\n");
    let found: Vec<_> = events.iter().map(|event| (&event.text[..], event.partial)).collect();
    assert_eq!(
        found,
        [("aaaa", true), (" 123456\n 1", true), ("bbbb\n 12345", true), (" 1", true)]
    );
}

#[test]
fn streams_are_joined_apart() {
    let rules = before("^ ");
    let mut file = docker(b"out\n", "stdout", "2026-11-25T08:59:05Z");
    file.extend(docker(b"err\n", "stderr", "2026-11-25T08:59:06Z"));
    file.extend(docker(b" out 2\n", "stdout", "2026-11-25T08:59:07Z"));
    file.extend(docker(b" er", "stderr", "2026-11-25T08:59:08Z"));
    file.extend(b"noise\n");
    file.extend(docker(b" out 3\n", "stdout", "2026-11-25T08:59:07Z"));
    file.extend(docker(b"r 2\n", "stderr", "2026-11-25T08:59:08Z"));
    let alone = file.len() as u64;
    file.extend(docker(b"alone\n", "stderr", "2026-11-25T08:59:09Z"));
    let events = way(Format::Docker, &rules).events(&file);
    let texts: Vec<_> = events.iter().map(|event| &event.text[..]).collect();
    assert_eq!(texts, ["noise", "err\n err 2", "out\n out 2\n out 3", "alone"]);
    // A joined event is where and when its first line was.
    let first = &events[2];
    assert_eq!((first.offset, first.raw_len, first.stream), (0, 0, Some(Stream::Stdout)));
    assert_eq!(first.time.as_deref(), Some(&b"2026-11-25T08:59:05.000000000Z"[..]));
    assert_eq!(events[3].offset, alone);
    assert_eq!(events[3].raw_len as usize, file.len() - alone as usize);
}

#[test]
fn what_is_open_changes_with_each_line_of_its_stream() {
    let rules = before("^ ");
    let mut decoder = way(Format::Docker, &rules).decoder(None);
    let mut sink = Collected::default();
    let mut at = 0;
    let mut push = |decoder: &mut Decoder, text: &[u8], stream: &str| {
        let line = docker(text, stream, TIME);
        decoder.push(FILE, at, &line, &mut sink);
        at += line.len() as u64;
    };
    push(&mut decoder, b"a\n", "stdout");
    let first = decoder.open(Stream::Stdout);
    assert!(first.is_some_and(|open| !open.is_line));
    push(&mut decoder, b"b\n", "stderr");
    assert_eq!(decoder.open(Stream::Stdout), first);
    push(&mut decoder, b" \n", "stdout");
    let second = decoder.open(Stream::Stdout);
    assert_ne!(second, first);
    push(&mut decoder, b" prompt", "stdout");
    assert!(decoder.open(Stream::Stdout).is_some_and(|open| open.is_line));
    // Joined lines are whole, while the unfinished one is a part.
    decoder.cut(Stream::Stdout, &mut sink);
    let parts: Vec<_> = sink
        .items
        .iter()
        .map(|item| match item {
            Item::Event(event) => (&event.text[..], event.partial),
            Item::Cut(_) => unreachable!(),
        })
        .collect();
    assert_eq!(parts, [("a\n ", false), (" prompt", true)]);
}

#[test]
fn an_event_goes_on_in_the_next_file_of_a_runtime_and_not_of_a_program() {
    let rules = before("^ ");
    let next = FileContext { base: 5_000, ..FILE };
    for (format, expect) in [(Format::Docker, &["a\n b"][..]), (Format::Text, &["a", " b"])] {
        let line = |text: &[u8]| match format {
            Format::Docker => docker(text, "stdout", TIME),
            Format::Text => text.to_vec(),
        };
        let mut sink = Collected::default();
        let mut decoder = way(format, &rules).decoder(None);
        decoder.push(FILE, 700, &line(b"a\n"), &mut sink);
        decoder.next_file();
        decoder.push(next, 0, &line(b" b\n"), &mut sink);
        decoder.cut(Stream::Stdout, &mut sink);
        let found: Vec<_> = sink
            .items
            .iter()
            .map(|item| match item {
                Item::Event(event) => &event.text[..],
                Item::Cut(_) => unreachable!(),
            })
            .collect();
        assert_eq!(found, expect);
        let Item::Event(first) = &sink.items[0] else { unreachable!() };
        assert_eq!((first.file, first.offset), (FILE, 700));
    }
}

#[test]
fn rules_may_change_while_an_event_is_open() {
    let (old, new) = (before("^ "), before("^>"));
    let mut sink = Collected::default();
    let mut decoder = way(Format::Text, &old).decoder(None);
    decoder.push(FILE, 0, b"a\n b\n", &mut sink);
    decoder.set_join(Some(&new)).unwrap();
    decoder.push(FILE, 5, b"> c\n d\n", &mut sink);
    decoder.set_join(None).unwrap();
    decoder.push(FILE, 12, b"> e\n", &mut sink);
    assert_eq!(decoder.carry(), None);
    let found: Vec<_> = sink
        .items
        .iter()
        .map(|item| match item {
            Item::Event(event) => &event.text[..],
            Item::Cut(_) => unreachable!(),
        })
        .collect();
    assert_eq!(found, ["a\n b\n> c", " d", "> e"]);
    // Rules that cannot be used leave each line an event, and are told of once.
    assert!(decoder.set_join(Some(&before("("))).is_err());
    assert_eq!(decoder.set_join(Some(&before("("))), Ok(()));
    decoder.push(FILE, 16, b"f\n", &mut sink);
    assert_eq!(decoder.carry(), None);
}

#[test]
fn carried_events_get_the_ids_of_a_new_generation() {
    let rules = before("^ ");
    let mut sink = Collected::default();
    let mut decoder = way(Format::Docker, &rules).decoder(None);
    decoder.push(FILE, 0, &docker(b"a\n", "stdout", TIME), &mut sink);
    decoder.push(FILE, 90, &docker(b" b", "stdout", TIME), &mut sink);
    decoder.push(FILE, 180, &docker(b"c", "stderr", TIME), &mut sink);
    let mut carry = decoder.carry().unwrap();
    let new = IdPrefix(*b"another-generati");
    carry.renew(IdPrefix(*b"some-other-file!"), new);
    assert_eq!(Some(&carry), decoder.carry().as_ref());
    carry.renew(FILE.prefix, new);
    decoder.restore(Some(carry));
    for stream in Stream::ALL {
        decoder.cut(stream, &mut sink);
    }
    assert_eq!(sink.items.len(), 3);
    for item in &sink.items {
        let Item::Event(event) = item else { unreachable!() };
        assert_eq!(event.file.prefix, new);
    }
}

#[test]
fn a_carry_with_joined_lines_is_stored_as_in_the_first_release() {
    let rules = before("^ ");
    let mut decoder = way(Format::Docker, &rules).decoder(None);
    let mut sink = Collected::default();
    decoder.push(FILE, 5, &docker(b"a\n", "stderr", TIME), &mut sink);
    decoder.push(FILE, 95, &docker(b" b\n", "stderr", TIME), &mut sink);
    let stored = postcard::to_stdvec(&decoder.carry()).unwrap();
    let release = b"\x01\0\0\0\0\0\0\x02\0\0\x01prefix-of-a-file\xe8\x07\x05H\
        \x012026-11-25T08:59:05.123456789Z\0\0\x02\x01\x01\0\0\x05a\\n b";
    assert_eq!(stored, release, "{}", stored.escape_ascii());
    assert_eq!(postcard::from_bytes::<Option<Carry>>(release), Ok(decoder.carry()));
}

/// What should come of lines that are events of their own.
fn oracle(items: &[Item], rules: &JoinRules, event_bytes_max: usize) -> Vec<Joined> {
    let pattern = regex::Regex::new(&rules.pattern).unwrap();
    let flush_pattern =
        rules.flush_pattern.as_deref().map(|flush| regex::Regex::new(flush).unwrap());
    let mut out = Vec::new();
    let mut held: [Option<(Joined, u32)>; 2] = [None, None];
    for item in items {
        let line = match item {
            Item::Event(line) => line,
            Item::Cut(stream) => {
                out.extend(held[stream.index()].take().map(|(event, _)| event));
                continue;
            }
        };
        let is_damaged = line.damage.is_some_and(|reason| reason != DamageReason::NotUtf8);
        if line.stream.is_some() && is_damaged {
            out.push(line.clone());
            continue;
        }
        let held = &mut held[line.stream.map_or(0, Stream::index)];
        if line.partial {
            out.extend(held.take().map(|(event, _)| event));
            out.push(line.clone());
            continue;
        }
        let text = line.text.strip_suffix('\r').unwrap_or(&line.text);
        let meant = pattern.is_match(text) != rules.negate;
        let flushes =
            held.is_some() && flush_pattern.as_ref().is_some_and(|flush| flush.is_match(text));
        let goes_on = flushes || rules.side == JoinSide::Behind || meant;
        match held {
            Some((event, lines)) if goes_on => {
                if *lines == rules.lines_max || event.bytes + 2 + line.bytes > event_bytes_max {
                    event.partial = true;
                    out.push(event.clone());
                    (*event, *lines) = (Joined { partial: true, ..line.clone() }, 1);
                } else {
                    event.text += "\n";
                    event.text += &line.text;
                    event.bytes += 2 + line.bytes;
                    event.raw_len = 0;
                    event.damage = event.damage.or(line.damage);
                    *lines += 1;
                }
            }
            _ => {
                out.extend(held.take().map(|(event, _)| event));
                *held = Some((line.clone(), 1));
            }
        }
        if flushes || rules.side == JoinSide::Behind && !meant {
            out.extend(held.take().map(|(event, _)| event));
        }
    }
    out
}

fn some_rules() -> impl Strategy<Value = JoinRules> {
    let patterns = vec![r"^\s", r"\\$", "^head", "a", "\u{e9}|\t"];
    let flush = prop_oneof![2 => Just(None), 1 => Just(Some("^END".to_owned()))];
    let pattern = prop::sample::select(patterns);
    let side = prop_oneof![Just(JoinSide::Before), Just(JoinSide::Behind)];
    (pattern, any::<bool>(), side, flush, prop_oneof![1..5_u32, Just(500)]).prop_map(
        |(pattern, negate, side, flush_pattern, lines_max)| JoinRules {
            flush_pattern,
            lines_max,
            ..rules(pattern, negate, side)
        },
    )
}

fn log() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select(vec![
        &b"head\n"[..],
        b"head \"1\"\n",
        b"  at a\n",
        b"\tat b\n",
        b"c\\\n",
        b"d \\\r\n",
        b"END\n",
        b"\n",
        b"x \xff\n",
        b"caf\xc3\xa9\n",
        b"a prompt",
        b"piece ",
        b" piece",
        b"rest\n",
    ])
}

/// A file, and the places at which something may be cut.
fn file(format: Format) -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    let record = (log(), any::<bool>(), any::<bool>()).prop_map(|(log, is_err, has_attrs)| {
        let record = docker(log, if is_err { "stderr" } else { "stdout" }, TIME);
        if !has_attrs {
            return record;
        }
        let record = String::from_utf8(record).unwrap();
        record.replace("\"time\"", "\"attrs\":{\"tag\":\"t\"},\"time\"").into_bytes()
    });
    let line = match format {
        Format::Docker => prop_oneof![12 => record, 1 => Just(b"noise\n".to_vec())].boxed(),
        Format::Text => log().prop_map(<[u8]>::to_vec).boxed(),
    };
    prop::collection::vec(line, 0..20).prop_map(move |lines| {
        let bytes = lines.concat();
        let is_place = |place: &usize| match format {
            Format::Docker => *place > 0 && bytes[place - 1] == b'\n',
            Format::Text => *place > 0,
        };
        let places = (0..=bytes.len()).filter(is_place).collect();
        (bytes, places)
    })
}

fn agree(
    format: Format,
    (bytes, places): &(Vec<u8>, Vec<usize>),
    rules: &JoinRules,
    event_bytes_max: usize,
    cuts: &[(prop::sample::Index, bool)],
    ends: &[prop::sample::Index],
    answers: Vec<Flow>,
) {
    let mut ends: Vec<usize> = ends.iter().map(|end| end.index(bytes.len() + 1)).collect();
    ends.sort_unstable();
    let mut cuts: Vec<(usize, Stream)> = cuts
        .iter()
        .filter(|_| !places.is_empty())
        .map(|(place, is_err)| {
            let is_err = *is_err && format == Format::Docker;
            let stream = if is_err { Stream::Stderr } else { Stream::Stdout };
            (places[place.index(places.len())], stream)
        })
        .collect();
    cuts.sort_unstable_by_key(|(place, stream)| (*place, stream.index()));
    cuts.dedup();
    let lines =
        Way { format, rules: None, event_bytes_max, cuts: &cuts, ends: &[], answers: Vec::new() };
    let expect = oracle(&lines.decode(bytes), rules, event_bytes_max);
    let way = Way { rules: Some(rules), ends: &ends, answers, ..lines };
    assert_eq!(way.events(bytes), expect, "{}", bytes.escape_ascii());
}

fn answers() -> impl Strategy<Value = Vec<Flow>> {
    let answer = prop_oneof![6 => Just(Flow::Go), 1 => Just(Flow::Stop), 1 => Just(Flow::Refuse)];
    prop::collection::vec(answer, 0..30)
}

fn maxima() -> impl Strategy<Value = usize> {
    prop_oneof![10..60_usize, Just(4 << 20)]
}

fn cuts() -> impl Strategy<Value = Vec<(prop::sample::Index, bool)>> {
    prop::collection::vec(any::<(prop::sample::Index, bool)>(), 0..4)
}

fn ends() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Whatever the chunks, restarts, stops and refusals.
    #[test]
    fn records_are_joined_as_by_a_plain_joiner(
        file in file(Format::Docker), rules in some_rules(), max in maxima(), cuts in cuts(),
        ends in ends(), answers in answers(),
    ) {
        agree(Format::Docker, &file, &rules, max, &cuts, &ends, answers);
    }

    #[test]
    fn lines_are_joined_as_by_a_plain_joiner(
        file in file(Format::Text), rules in some_rules(), max in maxima(), cuts in cuts(),
        ends in ends(), answers in answers(),
    ) {
        agree(Format::Text, &file, &rules, max, &cuts, &ends, answers);
    }
}
