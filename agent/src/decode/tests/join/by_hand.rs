//! Logs as they are met, and the corners.

use super::*;

fn before(pattern: &str) -> JoinRules {
    rules(pattern, false, JoinSide::Before)
}

/// The events of these lines, as a file and as Docker's records. `+` in front marks a part.
#[track_caller]
fn check(rules: &JoinRules, lines: &[&str], expect: &[&str]) {
    let text = lines.join("\n") + "\n";
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
        \x012026-11-25T08:59:05.123456789Z\0\0\x02\x01\x01\0\0\0\x05a\\n b";
    assert_eq!(stored, release, "{}", stored.escape_ascii());
    assert_eq!(postcard::from_bytes::<Option<Carry>>(release), Ok(decoder.carry()));
}
