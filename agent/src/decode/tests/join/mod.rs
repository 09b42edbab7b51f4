//! Lines that are one event.

mod by_hand;
mod plain;

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
    fn decoder(&self, carry: Option<&Carry>) -> Decoder {
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
                decoder = self.decoder(decoder.carry().as_ref());
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

fn way(format: Format, rules: &JoinRules) -> Way<'_> {
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
