//! Lines of text, against a reader that is as plain as can be.

use proptest::prelude::*;

use super::super::decoder::character_boundary;
use super::*;

/// Offset, text, whether it is a part of a line, and what was mended.
type Line = (u64, String, bool, Option<DamageReason>);

#[derive(Default)]
struct Collected {
    lines: Vec<Line>,
    /// Answers to come, in turn.
    answers: Vec<Flow>,
    nuls: u64,
}

impl Sink for Collected {
    fn event(&mut self, event: &Event<'_>) -> Flow {
        let flow = self.answers.pop().unwrap_or(Flow::Go);
        assert_eq!((event.stream, event.time, event.attrs), (None, None, None));
        if flow != Flow::Refuse {
            let text = [&b"\""[..], &event.text.concat(), b"\""].concat();
            let text = serde_json::from_slice(&text).unwrap();
            self.lines.push((event.offset, text, event.partial, event.damage));
        }
        flow
    }

    fn damage(&mut self, reason: DamageReason, bytes: u64) {
        assert_eq!(reason, DamageReason::Nul);
        self.nuls += bytes;
    }
}

/// What should come of a finished file whose unfinished lines end at `cuts`.
fn oracle(bytes: &[u8], max: usize, cuts: &[usize]) -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut at, mut cut, mut oversized) = (0, false, false);
    loop {
        at += bytes[at..].iter().take_while(|&&byte| byte == 0).count();
        if at == bytes.len() {
            return lines;
        }
        let newline = bytes[at..].iter().position(|&byte| byte == b'\n').map(|len| at + len);
        let next_cut = cuts.iter().copied().find(|&cut| cut > at);
        let next_cut = next_cut.filter(|&cut| newline.is_none_or(|newline| cut <= newline));
        let end = next_cut.or(newline).unwrap_or(bytes.len());
        let is_end = next_cut.is_none();
        let is_piece = end - at >= max;
        let was_cut = cut || oversized;
        let (raw, next) = if is_piece {
            let len = character_boundary(&bytes[at..at + max]);
            (&bytes[at..at + len], at + len)
        } else {
            (&bytes[at..end], end + usize::from(is_end && newline.is_some()))
        };
        let is_whole = is_end && !is_piece && newline.is_some();
        let text = if is_whole { raw.strip_suffix(b"\r").unwrap_or(raw) } else { raw };
        oversized |= is_piece;
        let not_utf8 = std::str::from_utf8(raw).is_err().then_some(DamageReason::NotUtf8);
        let damage = if oversized { Some(DamageReason::Oversized) } else { not_utf8 };
        if !(was_cut && text.is_empty()) {
            let text = String::from_utf8_lossy(text).into_owned();
            lines.push((at as u64, text, was_cut || is_piece || !is_end, damage));
        }
        cut = !is_end || (cut && is_piece);
        oversized &= is_piece || !is_end;
        at = next;
    }
}

/// Decodes in chunks that end at `ends`, with the journal's cuts.
fn decode(
    bytes: &[u8],
    max: usize,
    cuts: &[usize],
    ends: &[usize],
    answers: Vec<Flow>,
) -> Collected {
    let mut sink = Collected { answers, ..Collected::default() };
    let mut decoder = Decoder::new(Format::Text, max);
    let mut from = 0;
    for end in ends.iter().copied().chain([bytes.len()]) {
        while from < end {
            let cut = cuts.iter().copied().find(|&cut| cut > from).filter(|&cut| cut <= end);
            let before = decoder.carry();
            let piece = &bytes[from..cut.unwrap_or(end)];
            let pushed = match cut {
                Some(_) => decoder.push_and_cut(FILE, from as u64, piece, &mut sink),
                None => decoder.push(FILE, from as u64, piece, &mut sink),
            };
            if pushed.flow == Flow::Refuse {
                decoder.restore(before);
                sink.lines.retain(|(offset, ..)| *offset < from as u64);
                continue;
            }
            from += pushed.consumed;
            let carry = postcard::to_stdvec(&decoder.carry()).unwrap();
            decoder = Decoder::new(Format::Text, max);
            decoder.restore(postcard::from_bytes(&carry).unwrap());
            if pushed.flow == Flow::Go && cut.is_none() {
                break;
            }
        }
    }
    while from < bytes.len() {
        let pushed = decoder.finish(FILE, from as u64, &bytes[from..], &mut sink);
        from += pushed.consumed;
        if pushed.flow == Flow::Go {
            break;
        }
    }
    assert_eq!(from, bytes.len());
    assert_eq!(decoder.carry_bytes(), 0);
    sink
}

#[track_caller]
fn check(bytes: &[u8], expect: &[(u64, &str, bool)]) {
    let lines = decode(bytes, 1 << 20, &[], &[], Vec::new()).lines;
    let found: Vec<_> = lines.iter().map(|line| (line.0, &line.1[..], line.2)).collect();
    assert_eq!(found, expect);
}

#[test]
fn lines_are_events() {
    check(b"", &[]);
    check(b"a\nb\n", &[(0, "a", false), (2, "b", false)]);
    check(b"a\r\n\r\nb\rc\n", &[(0, "a", false), (3, "", false), (5, "b\rc", false)]);
    check(b"a\n\nb", &[(0, "a", false), (2, "", false), (3, "b", false)]);
    check(b"\"\\\t\x01\n", &[(0, "\"\\\t\u{1}", false)]);
    check("\u{e4}\n".as_bytes(), &[(0, "\u{e4}", false)]);
    check(b"a\xffb\n", &[(0, "a\u{fffd}b", false)]);
    check(b"\0\0\0a\n", &[(3, "a", false)]);
}

#[test]
fn a_cut_line_goes_on_in_parts() {
    let lines = decode(b"prompt> answer\nnext\n", 1 << 20, &[8], &[8, 10], Vec::new()).lines;
    let found: Vec<_> = lines.iter().map(|line| (line.0, &line.1[..], line.2)).collect();
    assert_eq!(found, [(0, "prompt> ", true), (8, "answer", true), (15, "next", false)]);
    // Nothing is left of it but its newline.
    let lines = decode(b"prompt\nnext\n", 1 << 20, &[6], &[6], Vec::new()).lines;
    let found: Vec<_> = lines.iter().map(|line| (line.0, &line.1[..], line.2)).collect();
    assert_eq!(found, [(0, "prompt", true), (7, "next", false)]);
}

#[test]
fn an_endless_line_comes_in_pieces() {
    let bytes = vec![b'x'; 10_000];
    let lines = decode(&bytes, 1_000, &[], &[700, 3_100], Vec::new()).lines;
    assert_eq!(lines.len(), 10);
    let is_piece = |line: &Line| line.2 && line.3 == Some(DamageReason::Oversized);
    assert!(lines.iter().all(is_piece));
}

#[test]
fn a_line_does_not_go_on_in_the_next_file() {
    let mut sink = Collected::default();
    let mut decoder = Decoder::new(Format::Text, 100);
    decoder.push_and_cut(FILE, 0, b"torn", &mut sink);
    decoder.next_file();
    decoder.push(FILE, 0, b"\nwhole\n", &mut sink);
    let parts: Vec<_> = sink.lines.iter().map(|line| (&line.1[..], line.2)).collect();
    assert_eq!(parts, [("torn", true), ("", false), ("whole", false)]);
}

#[test]
fn a_character_is_not_torn_by_a_cut() {
    assert_eq!(unfinished_len("a\u{20ac}".as_bytes()), 4);
    assert_eq!(unfinished_len(&"a\u{20ac}".as_bytes()[..3]), 1);
    assert_eq!(unfinished_len(b"\xe2\x82"), 2);
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => "[a-z \u{e4}\u{20ac}\u{1f600}]{0,12}".prop_map(String::into_bytes),
        4 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        1 => Just(b"\"\\\t".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        1 => (0..40_usize).prop_map(|len| vec![0; len]),
        1 => (0..200_usize).prop_map(|len| vec![b'x'; len]),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn agrees_with_a_plain_reader(
        bytes in bytes(),
        max in 16..120_usize,
        cuts in prop::collection::vec(0..600_usize, 0..4),
        ends in prop::collection::vec(0..600_usize, 0..6),
        answers in prop::collection::vec(prop_oneof![
            6 => Just(Flow::Go), 1 => Just(Flow::Stop), 1 => Just(Flow::Refuse)
        ], 0..30),
    ) {
        let within = |mut places: Vec<usize>| {
            for place in &mut places {
                *place = (*place).min(bytes.len());
            }
            places.sort_unstable();
            places.dedup();
            places
        };
        let (cuts, ends) = (within(cuts), within(ends));
        let found = decode(&bytes, max, &cuts, &ends, answers).lines;
        prop_assert_eq!(found, oracle(&bytes, max, &cuts));
    }
}
