//! Against a joiner that is as plain as can be.

use proptest::prelude::*;

use super::*;

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
