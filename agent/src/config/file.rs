//! The configuration as written: names and nesting only, every leaf a text with its place.

use std::path::Path;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::error::ConfigError;
use super::text::{Spot, Text};
use super::{OutputKind, Overrides};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) state_dir: Option<Text>,
    pub(super) node: Option<Text>,
    pub(super) workers: Option<Text>,
    pub(super) read_from: Option<Text>,
    #[serde(deserialize_with = "section")]
    pub(super) collect: Collect,
    #[serde(deserialize_with = "section")]
    pub(super) declare: Declare,
    pub(super) target: Option<Text>,
    pub(super) target_zone: Option<Text>,
    pub(super) shape: Option<Text>,
    pub(super) event_bytes_max: Option<Text>,
    pub(super) partial_timeout: Option<Text>,
    #[serde(deserialize_with = "section")]
    pub(super) batch: Batch,
    #[serde(deserialize_with = "section")]
    pub(super) compression: Compression,
    #[serde(deserialize_with = "section")]
    pub(super) docker: Docker,
    #[serde(deserialize_with = "section")]
    pub(super) output: Output,
    #[serde(deserialize_with = "section")]
    pub(super) http: Http,
    #[serde(deserialize_with = "section")]
    pub(super) log: Log,
    #[serde(deserialize_with = "section")]
    pub(super) watch: Watch,
    pub(super) shutdown_timeout: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Collect {
    pub(super) stdout: Option<Text>,
    pub(super) files: Option<Text>,
    pub(super) files_deny: Texts,
    pub(super) labels: Texts,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Declare {
    pub(super) prefixes: Texts,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Batch {
    pub(super) bytes: Option<Text>,
    pub(super) flush_interval: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Compression {
    pub(super) codec: Option<Text>,
    pub(super) level: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Watch {
    pub(super) rung: Option<Text>,
    pub(super) require: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Docker {
    pub(super) socket: Option<Text>,
    pub(super) root: Option<Text>,
    pub(super) host_prefix: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Output {
    #[serde(deserialize_with = "chosen")]
    pub(super) elasticsearch: Option<Elasticsearch>,
    #[serde(deserialize_with = "chosen")]
    pub(super) console: Option<Console>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Elasticsearch {
    pub(super) hosts: Texts,
    pub(super) user: Option<Text>,
    pub(super) password: Option<Text>,
    pub(super) password_file: Option<Text>,
    pub(super) api_key: Option<Text>,
    pub(super) api_key_file: Option<Text>,
    pub(super) bearer_file: Option<Text>,
    pub(super) ca_file: Option<Text>,
    pub(super) cert_file: Option<Text>,
    pub(super) key_file: Option<Text>,
    pub(super) verify: Option<Text>,
    pub(super) server: Option<Text>,
    pub(super) r#type: Option<Text>,
    pub(super) timeout: Option<Text>,
    pub(super) requests_in_flight_max: Option<Text>,
    pub(super) when_refused: Option<WhenRefused>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Console {}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Http {
    pub(super) listen: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) format: Option<Text>,
    pub(super) level: Option<Text>,
}

/// A list, or one text with commas between (so that one variable can hold the list).
#[derive(Debug, Default)]
pub(super) struct Texts(pub(super) Vec<Text>);

/// `wait`, or a map with a time.
#[derive(Debug)]
pub(super) enum WhenRefused {
    Word(Text),
    Map(WhenRefusedMap),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhenRefusedMap {
    pub(super) dead_letter_after: Text,
}

impl File {
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        serde_saphyr::from_str(text).map_err(|fault| ConfigError::of_yaml(&fault, path))
    }

    /// Flags win over the file. An output chosen by flag keeps what the file says of it.
    pub(super) fn apply(&mut self, flags: &Overrides) {
        let Overrides { config: _, state_dir, output, hosts, node } = flags;
        if let Some(path) = state_dir {
            self.state_dir = Some(Text::of_flag("--state-dir", path));
        }
        if let Some(name) = node {
            self.node = Some(Text::of_flag("--node", name));
        }
        let kind = output.or((!hosts.is_empty()).then_some(OutputKind::Elasticsearch));
        match kind {
            Some(OutputKind::Console) => {
                self.output = Output { elasticsearch: None, console: Some(Console {}) };
            }
            Some(OutputKind::Elasticsearch) => {
                self.output.console = None;
                let chosen = self.output.elasticsearch.get_or_insert_default();
                if !hosts.is_empty() {
                    let hosts = hosts.iter().map(|host| Text::of_flag("--hosts", host));
                    chosen.hosts = Texts(hosts.collect());
                }
            }
            None => {}
        }
    }
}

/// A section whose settings are all commented out stands there as null.
fn section<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    input: D,
) -> Result<T, D::Error> {
    Option::deserialize(input).map(Option::unwrap_or_default)
}

/// The same for a section that chooses by being there: null must not unchoose it.
fn chosen<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<T>, D::Error> {
    section(input).map(Some)
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Vec<Text>;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a list of texts, or one text")
            }

            fn visit_str<E: serde::de::Error>(self, one: &str) -> Result<Self::Value, E> {
                Ok(vec![Text { raw: one.to_owned(), spot: Spot::Line { line: 0, column: 0 } }])
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
                Ok(Vec::new())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = items.next_element()? {
                    texts.push(text);
                }
                Ok(texts)
            }
        }

        struct Inner(Vec<Text>);

        impl<'de> Deserialize<'de> for Inner {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                input.deserialize_any(Either).map(Self)
            }
        }

        let spanned = Spanned::<Inner>::deserialize(input)?;
        let spot = Spot::of(&spanned);
        let mut texts = spanned.value.0;
        for text in &mut texts {
            if text.spot == (Spot::Line { line: 0, column: 0 }) {
                text.spot = spot;
            }
        }
        Ok(Self(texts))
    }
}

impl<'de> Deserialize<'de> for WhenRefused {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Either;

        enum Inner {
            Word(String),
            Map(WhenRefusedMap),
        }

        impl<'de> Visitor<'de> for Either {
            type Value = Inner;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("`wait`, or `dead_letter_after` with a time")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Inner, E> {
                Ok(Inner::Word(word.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Inner, A::Error> {
                WhenRefusedMap::deserialize(MapAccessDeserializer::new(map)).map(Inner::Map)
            }
        }

        impl<'de> Deserialize<'de> for Inner {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                input.deserialize_any(Either)
            }
        }

        let spanned = Spanned::<Inner>::deserialize(input)?;
        let spot = Spot::of(&spanned);
        Ok(match spanned.value {
            Inner::Word(raw) => Self::Word(Text { raw, spot }),
            Inner::Map(map) => Self::Map(map),
        })
    }
}
