//! Single lines and short files, by hand.

use super::*;
use crate::core::limits::LINE_BYTES_MAX;

/// The text, partial mark and damage of each event.
fn check(file: &[u8], expect: &[(&str, bool, Option<DamageReason>)]) {
    let events = events(file);
    let got: Vec<_> =
        events.iter().map(|event| (&event.text[..], event.partial, event.damage)).collect();
    assert_eq!(got, expect, "{}", String::from_utf8_lossy(file));
}

#[test]
fn docker_escapes_come_back() {
    for (written, text) in [
        (&b"plain\n"[..], "plain"),
        (b"q\" b\\ \ttab\x1b[0m\x00\n", "q\" b\\ \ttab\x1b[0m\0"),
        (b"<a> & </a>/\x7f\n", "<a> & </a>/\x7f"),
        ("\u{2028}\u{2029}日本😀\u{feff}\n".as_bytes(), "\u{2028}\u{2029}日本😀\u{feff}"),
        (b"bad \xff\xfe\xe2\x82\n", "bad \u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
        (b"crlf\r\n", "crlf\r"),
        (b"in\nside\n", "in\nside"),
        (b"ends in an escaped n \\n\n", "ends in an escaped n \\n"),
        (b"\n", ""),
    ] {
        check(&docker(written, "stdout", TIME), &[(text, false, None)]);
    }
}

#[test]
fn a_line_that_only_looks_ended_is_a_piece() {
    let mut file = docker(br"C:\new\n", "stdout", TIME);
    file.extend(docker(b" and on\n", "stdout", TIME));
    check(&file, &[(r"C:\new\n and on", false, None)]);
}

#[test]
fn long_lines_are_joined() {
    for len in [16_383, 16_384, 16_385, 20_000, 32_768] {
        let mut line = vec![b'a'; len];
        line.push(b'\n');
        let mut file = Vec::new();
        for piece in line.chunks(16_384) {
            file.extend(docker(piece, "stdout", TIME));
        }
        let text = "a".repeat(len);
        check(&file, &[(&text, false, None)]);
    }
}

#[test]
fn streams_are_joined_apart() {
    let mut file = docker(b"out 1 ", "stdout", "2026-11-25T08:59:05Z");
    file.extend(docker(b"err 1 ", "stderr", "2026-11-25T08:59:06Z"));
    file.extend(docker(b"err 2\n", "stderr", "2026-11-25T08:59:07Z"));
    let third = file.len() as u64;
    file.extend(docker(b"alone\n", "stderr", "2026-11-25T08:59:08Z"));
    file.extend(docker(b"out 2\n", "stdout", "2026-11-25T08:59:09Z"));
    let events = events(&file);
    let texts: Vec<_> = events.iter().map(|event| &event.text[..]).collect();
    assert_eq!(texts, ["err 1 err 2", "alone", "out 1 out 2"]);
    assert_eq!(events[1].offset, third);
    assert!(events[1].raw_len > 0);
    // A joined event is where and when its first piece was.
    assert_eq!((events[2].offset, events[2].raw_len), (0, 0));
    assert_eq!(events[2].time.as_deref(), Some("2026-11-25T08:59:05.000000000Z"));
}

#[test]
fn an_unfinished_line_is_cut_and_marked() {
    let mut decoder = Decoder::new(Format::Docker, 4 << 20);
    let mut sink = Collect::default();
    let file = docker(b"prompt> ", "stdout", TIME);
    assert_eq!(decoder.push(FILE, 0, &file, &mut sink).consumed, file.len());
    assert!(decoder.has_carry(Stream::Stdout) && !decoder.has_carry(Stream::Stderr));
    assert_eq!(decoder.carry_bytes(), br"prompt\u003e ".len());
    assert_eq!(decoder.carry().unwrap().first(Stream::Stdout), Some((FILE, 0)));
    assert_eq!(decoder.cut(Stream::Stdout, &mut sink), Flow::Go);
    assert_eq!(decoder.cut(Stream::Stdout, &mut sink), Flow::Go);
    assert!(!decoder.has_carry(Stream::Stdout));
    let next = FileContext { base: 5_000, ..FILE };
    decoder.push(next, 0, &docker(b"yes\n", "stdout", TIME), &mut sink);
    decoder.push(next, 90, &docker(b"whole\n", "stdout", TIME), &mut sink);
    assert_eq!(decoder.carry(), None);
    let got: Vec<_> = sink.events.iter().map(|e| (&e.text[..], e.partial, e.base)).collect();
    assert_eq!(got, [("prompt> ", true, 1_000), ("yes", true, 5_000), ("whole", false, 5_000)]);
    assert_eq!(sink.events[0].raw_len as usize, file.len());
}

#[test]
fn a_carried_piece_keeps_its_file_over_a_rotation() {
    let mut decoder = Decoder::new(Format::Docker, 4 << 20);
    let mut sink = Collect::default();
    decoder.push(FILE, 700, &docker(b"first ", "stdout", TIME), &mut sink);
    let next = FileContext { base: 5_000, ..FILE };
    decoder.push(next, 0, &docker(b"second\n", "stdout", TIME), &mut sink);
    assert_eq!((sink.events[0].base, sink.events[0].offset), (1_000, 700));
}

#[test]
fn damaged_lines_are_delivered() {
    use DamageReason::*;
    let good = r#"{"log":"good\n","stream":"stdout","time":"2026-11-25T08:59:05Z"}"#;
    let of_text = |file: String, expect: &[_]| check(file.as_bytes(), expect);
    of_text(format!("\0\0\0{good}\n"), &[("good", false, None)]);
    of_text(
        format!("{{\"log\":\"ab{good}\n"),
        &[("{\"log\":\"ab", false, Some(Torn)), ("good", false, None)],
    );
    of_text(
        format!("{{\"log\":\"ab\0\0\0{good}\n"),
        &[("{\"log\":\"ab", false, Some(Torn)), ("good", false, None)],
    );
    // A newline was lost, but no record.
    of_text(format!("{good}{good}\n"), &[("good", false, None), ("good", false, None)]);
    of_text("Segmentation fault\n".into(), &[("Segmentation fault", false, Some(NotJson))]);
    of_text(
        format!("{good}\n{{\"log\":\"torn"),
        &[("good", false, None), ("{\"log\":\"torn", false, Some(Torn))],
    );
    of_text(good.to_owned(), &[("good", false, None)]);
    of_text("\n\n \r\n".into(), &[]);
    of_text("{\"log\":1e400}\n".into(), &[("{\"log\":1e400}", false, Some(NotJson))]);
    let bytes = [&b"{\"log\":\"caf\xe9\\n\"}\nna\xefve\n"[..], good.as_bytes(), b"\n"].concat();
    check(
        &bytes,
        &[
            ("caf\u{fffd}", false, Some(NotUtf8)),
            ("na\u{fffd}ve", false, Some(NotJson)),
            ("good", false, None),
        ],
    );
}

#[test]
fn a_damaged_line_leaves_a_carried_one_alone() {
    let mut file = docker(b"be", "stdout", TIME);
    file.extend(b"noise\n");
    file.extend(docker(b"gun\n", "stdout", TIME));
    check(&file, &[("noise", false, Some(DamageReason::NotJson)), ("begun", false, None)]);
}

#[test]
fn holes_are_cheap_and_counted() {
    let mut decoder = Decoder::new(Format::Docker, 4 << 20);
    let mut sink = Collect::default();
    let hole = vec![0; 3 * LINE_BYTES_MAX + 17];
    assert_eq!(decoder.push(FILE, 0, &hole, &mut sink).consumed, hole.len());
    assert_eq!(sink.nuls, hole.len() as u64);
    assert!(sink.events.is_empty() && decoder.carry().is_none());
}

#[test]
fn an_endless_line_comes_in_pieces() {
    let mut file = "€".repeat(LINE_BYTES_MAX).into_bytes();
    file.push(b'\n');
    file.extend(docker(b"after\n", "stdout", TIME));
    let whole = decode(&file, 4 << 20, &[], Collect::default()).events;
    assert_eq!(whole.len(), 5);
    let (after, pieces) = whole.split_last().unwrap();
    assert_eq!((&after.text[..], after.damage), ("after", None));
    for piece in pieces {
        assert!(piece.partial && piece.damage == Some(DamageReason::Oversized));
        assert!(piece.raw_len as usize <= LINE_BYTES_MAX && piece.text.chars().all(|c| c == '€'));
    }
    let text: usize = pieces.iter().map(|piece| piece.text.len()).sum();
    assert_eq!(text, 3 * LINE_BYTES_MAX);
    let ends = [5, LINE_BYTES_MAX - 1, LINE_BYTES_MAX, 2 * LINE_BYTES_MAX + 1, file.len() - 9];
    for stop in [false, true] {
        let sink = Collect { stop, refuse: stop, ..Collect::default() };
        assert_eq!(decode(&file, 4 << 20, &ends, sink).events, whole);
    }
}

#[test]
fn the_longest_line_is_still_a_record() {
    let frame = docker(b"\n", "stdout", TIME).len();
    for (len, damaged) in [(LINE_BYTES_MAX - frame, false), (LINE_BYTES_MAX - frame + 1, true)] {
        let mut log = vec![b'x'; len];
        log.push(b'\n');
        let got = events(&docker(&log, "stdout", TIME));
        assert_eq!(got[0].damage.is_some(), damaged);
    }
}

#[test]
fn joined_lines_end_at_the_limit() {
    let file: Vec<u8> = [&b"aaaa"[..], b"bbbb", b"cc", b"d\n", b"next\n"]
        .iter()
        .flat_map(|log| docker(log, "stdout", TIME))
        .collect();
    let got = decode(&file, 8, &[], Collect::default()).events;
    let got: Vec<_> = got.iter().map(|e| (&e.text[..], e.partial)).collect();
    assert_eq!(got, [("aaaabbbb", true), ("ccd", true), ("next", false)]);
}

/// Counts the pieces of text.
struct Count(usize);

impl Sink for Count {
    fn event(&mut self, event: &Event<'_>) -> Flow {
        self.0 += event.text.len();
        Flow::Go
    }
    fn damage(&mut self, _: DamageReason, _: u64) {}
}

#[test]
fn small_pieces_are_merged() {
    let mut decoder = Decoder::new(Format::Docker, 4 << 20);
    let mut sink = Collect::default();
    let file = docker(b"x", "stdout", TIME).repeat(100_000);
    assert_eq!(decoder.push(FILE, 0, &file, &mut sink).consumed, file.len());
    assert_eq!(decoder.carry_bytes(), 100_000);
    let mut pieces = Count(0);
    decoder.cut(Stream::Stdout, &mut pieces);
    assert_eq!(pieces.0, 100_000_usize.div_ceil(16 << 10));
}

#[test]
fn attributes_are_remembered_not_mixed_up() {
    let line = |attrs: &str, end: &str| {
        format!("{{\"log\":\"a\\n\",\"stream\":\"stdout\",{attrs}\"time\":\"{TIME}\"}}{end}\n")
    };
    let a = line(r#""attrs":{"a":"1"},"#, "");
    let b = line(r#""attrs":{"b":"}"},"#, "");
    let none = line("", "");
    let odd = line(r#""attrs":{"n":1,"x":{},"a":"1"},"#, " ");
    let file = [&a[..], &a, &b, &none, &a, &odd, &a].concat();
    let got: Vec<_> = events(file.as_bytes())
        .into_iter()
        .map(|event| event.attrs.map(|attrs| serde_json::to_string(&attrs).unwrap()))
        .collect();
    let a = Some(r#"{"a":"1"}"#.to_owned());
    let odd = Some(r#"{"a":"1","n":"1"}"#.to_owned());
    assert_eq!(
        got,
        [a.clone(), a.clone(), Some(r#"{"b":"}"}"#.to_owned()), None, a.clone(), odd, a]
    );
}

#[test]
fn a_carry_is_stored_as_in_the_first_release() {
    let mut decoder = Decoder::new(Format::Docker, 4 << 20);
    let mut sink = Collect::default();
    let attrs = r#""attrs":{"a":"1"},"#;
    let line = format!("{{\"log\":\"ab\",\"stream\":\"stdout\",{attrs}\"time\":\"{TIME}\"}}\n");
    decoder.push(FILE, 5, line.as_bytes(), &mut sink);
    decoder.push(FILE, 300, &docker(b"c", "stderr", "x"), &mut sink);
    decoder.cut(Stream::Stderr, &mut sink);
    let stored = postcard::to_stdvec(&decoder.carry()).unwrap();
    let release = b"\x01\x01prefix-of-a-file\xe8\x07\x05Y\x012026-11-25T08:59:05.123456789Z\
        \x01\x09{\"a\":\"1\"}\0\x01\x01\x02ab\0\0\0\x01\0";
    assert_eq!(stored, release);
    assert_eq!(postcard::from_bytes::<Option<Carry>>(release), Ok(decoder.carry()));
}
