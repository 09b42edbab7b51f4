//! The documents, member by member.

use std::collections::BTreeMap;

use super::ids::offset_digits;
use super::named::Named;
use crate::core::{Origin, Stream};
use crate::decode::{Event, escape_into, flat_name};

/// How a document names its members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// The Elastic Common Schema's names.
    #[default]
    Ecs,
    /// log-pilot's names: flat, and `host` is a string. Documents have both what log-pilot wrote
    /// and what it left out.
    Pilot,
    /// Exactly what log-pilot wrote: no `@timestamp`, and `log` with its newline instead of
    /// `message` where the line is of stdout or stderr.
    PilotStrict,
}

/// What stands at the end of every document of one file, encoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    shape: Shape,
    bytes: Vec<u8>,
    /// Names at the root of the document that stand here, sorted; of the pilot shapes only.
    names: Vec<String>,
}

/// Names in the pilot shape that a user's tag cannot take. `index` and `topic` are not among
/// them: these two are there to be set.
const PILOT_NAMES: [&str; 17] = [
    "@timestamp",
    "message",
    "log",
    "stream",
    "time",
    "docker_container",
    "host",
    "container_id",
    "image",
    "source",
    "offset",
    "order",
    "partial",
    "damage",
    "undated",
    "docker",
    "",
];

impl Tail {
    /// `path` is the log file's as the documents should name it, `target` the rules'.
    pub fn new(shape: Shape, origin: &Origin, path: &str, target: &str) -> Self {
        let (bytes, names) = match shape {
            Shape::Ecs => (ecs_tail(origin, path), Vec::new()),
            Shape::Pilot | Shape::PilotStrict => pilot_tail(shape, origin, path, target),
        };
        Self { shape, bytes, names }
    }

    /// Whether a member of this name stands here.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.binary_search_by(|it| it.as_str().cmp(name)).is_ok()
    }

    /// What every document of this tail ends with.
    pub(super) fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }
}

/// Follows `"log":{"offset":…,"order":"…"`.
fn ecs_tail(origin: &Origin, path: &str) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(br#","file":"#);
    object(&mut out, [("path", path)]);
    out.extend_from_slice(br#"},"container":"#);
    object(&mut out, filled([("id", &origin.container_id), ("name", &origin.container_name)]));
    if !origin.image.is_empty() {
        nested(&mut out, "image");
        object(&mut out, [("name", &origin.image[..])]);
        out.push(b'}');
    }
    if !origin.labels.is_empty() {
        nested(&mut out, "labels");
        object(&mut out, flattened(&origin.labels).iter().map(|(name, value)| (&name[..], *value)));
        out.push(b'}');
    }
    if let Some(pod) = &origin.pod {
        out.extend_from_slice(br#","kubernetes":"#);
        object(&mut out, filled([("namespace", &pod.namespace)]));
        nested(&mut out, "pod");
        object(&mut out, filled([("name", &pod.name), ("uid", &pod.uid)]));
        out.push(b'}');
        nested(&mut out, "container");
        object(&mut out, filled([("name", &pod.container)]));
        out.push(b'}');
    }
    if !origin.node.is_empty() {
        out.extend_from_slice(br#","host":"#);
        object(&mut out, [("name", &origin.node[..])]);
    }
    out.extend_from_slice(b"}\n");
    out
}

/// Ends a document that has members already; and the names of its members.
fn pilot_tail(shape: Shape, origin: &Origin, path: &str, target: &str) -> (Vec<u8>, Vec<String>) {
    let tags = flattened(&origin.extra);
    let tag = |name: &str| tags.get(name).copied().filter(|value| !value.is_empty());
    let is_strict = shape == Shape::PilotStrict;
    let beyond = |value| if is_strict { "" } else { value };
    let named = [
        ("index", tag("index").unwrap_or(target)),
        ("topic", tag("topic").unwrap_or(target)),
        ("docker_container", &origin.container_name),
        ("host", &origin.node),
        ("container_id", beyond(&origin.container_id)),
        ("image", beyond(&origin.image)),
        ("source", beyond(path)),
    ];
    let free = tags
        .iter()
        .map(|(name, value)| (&name[..], *value))
        .filter(|(name, _)| !PILOT_NAMES.contains(name) && *name != "index" && *name != "topic");
    let members = named.into_iter().chain(free).filter(|(_, value)| !value.is_empty());
    let mut out = Vec::new();
    object(&mut out, members.clone());
    // An object of its own until here; now it goes on where the document's other members end.
    match out.len() {
        2 => out.remove(0),
        _ => std::mem::replace(&mut out[0], b','),
    };
    out.push(b'\n');
    let mut names: Vec<String> = members.map(|(name, _)| name.to_owned()).collect();
    names.sort_unstable();
    (out, names)
}

/// Opens a member of the object that was closed last.
fn nested(out: &mut Vec<u8>, name: &str) {
    if out.pop() == Some(b'}') && out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Members whose names Elasticsearch takes as one field each: a dot would make an object of the
/// name, and the object clash with a field. Of two names that become one, the later holds.
fn flattened(members: &BTreeMap<String, String>) -> BTreeMap<String, &str> {
    members.iter().map(|(key, value)| (flat_name(key).into_owned(), &value[..])).collect()
}

/// Those that say something.
fn filled<'a, const N: usize>(
    members: [(&'a str, &'a String); N],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let members = members.into_iter().map(|(name, value)| (name, value.as_str()));
    members.filter(|(_, value)| !value.is_empty())
}

/// An object of strings.
fn object<'a>(out: &mut Vec<u8>, members: impl IntoIterator<Item = (&'a str, &'a str)>) {
    out.push(b'{');
    for (number, (name, value)) in members.into_iter().enumerate() {
        out.extend_from_slice(if number == 0 { b"\"" } else { b",\"" });
        escape_into(out, name);
        out.extend_from_slice(b"\":\"");
        escape_into(out, value);
        out.push(b'"');
    }
    out.push(b'}');
}

/// Opens the object that a record's attributes stand in.
const DOCKER: &[u8] = br#","docker":{"#;

/// A record's attributes as a member of a document, kept until others come: they do not change
/// from line to line.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    given: Vec<u8>,
    member: Vec<u8>,
}

impl Attributes {
    pub(super) fn member(&mut self, attrs: &[u8]) -> &[u8] {
        if self.given != attrs {
            attrs.clone_into(&mut self.given);
            self.member.clear();
            // What is no object of strings cannot come from the decoder; it would be left out.
            if let Ok(members) = serde_json::from_slice::<BTreeMap<String, String>>(attrs) {
                self.member.extend_from_slice(DOCKER);
                self.member.extend_from_slice(br#""attrs":"#);
                let members = flattened(&members);
                object(&mut self.member, members.iter().map(|(name, value)| (&name[..], *value)));
                self.member.push(b'}');
            }
        }
        &self.member
    }
}

/// All that a document is made of.
pub(super) struct Parts<'a> {
    /// `{"create":{"_index":"…","_id":"<prefix>`.
    pub head: &'a [u8],
    pub event: &'a Event<'a>,
    /// The event's, or what stands for it.
    pub time: &'a [u8; 30],
    /// That is neither the record's nor said in the text.
    pub undated: bool,
    /// See [`Attributes`]; may be empty.
    pub attrs: &'a [u8],
    /// Of a text that is of its declared format.
    pub fields: Option<&'a Named>,
    pub tail: &'a Tail,
}

/// Longer than all that stands between the parts of a document.
const FRAME_BYTES: usize = 512;

impl Parts<'_> {
    /// Appends the action line and the document.
    #[inline]
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let event = self.event;
        let text: usize = event.text.iter().map(|piece| piece.len()).sum();
        let parts = self.head.len() + text + self.attrs.len() + self.tail.bytes.len();
        out.reserve(parts + FRAME_BYTES);
        out.extend_from_slice(self.head);
        out.extend_from_slice(&offset_digits(event.offset));
        out.extend_from_slice(b"\"}}\n{\"");
        if self.tail.shape == Shape::PilotStrict {
            self.pilot_strict(out);
        } else {
            out.extend_from_slice(b"@timestamp\":\"");
            out.extend_from_slice(self.time);
            out.extend_from_slice(b"\",\"message\":\"");
            match self.fields.and_then(|fields| fields.message.as_deref()) {
                Some(message) => out.extend_from_slice(message),
                None => self.text(out),
            }
            match self.tail.shape {
                Shape::Ecs => self.ecs(out),
                Shape::Pilot | Shape::PilotStrict => self.pilot(out),
            }
        }
        out.extend_from_slice(&self.tail.bytes);
    }

    #[inline]
    fn ecs(&self, out: &mut Vec<u8>) {
        self.stream(out);
        if self.is_unusual() {
            out.extend_from_slice(b",\"event\":{");
            self.marks(out);
            // Each mark ends in a comma.
            out.pop();
            out.push(b'}');
        }
        out.extend_from_slice(self.attrs);
        if let Some(Named { members, .. }) = self.fields
            && !members.is_empty()
        {
            out.extend_from_slice(b",\"fields\":{");
            out.extend_from_slice(&members[1..]);
            out.push(b'}');
        }
        out.extend_from_slice(b",\"log\":{\"offset\":");
        self.place(out);
    }

    #[inline]
    fn pilot(&self, out: &mut Vec<u8>) {
        if self.event.stream.is_some() {
            // What log-pilot calls the message of stdout; behind it, it costs little compressed.
            out.extend_from_slice(b"\",\"log\":\"");
            self.text(out);
        }
        self.stream(out);
        out.extend_from_slice(b",\"time\":\"");
        out.extend_from_slice(self.time);
        out.push(b'"');
        if self.is_unusual() {
            out.push(b',');
            self.marks(out);
            out.pop();
        }
        out.extend_from_slice(self.attrs);
        if let Some(fields) = self.fields {
            out.extend_from_slice(&fields.members);
        }
        out.extend_from_slice(b",\"offset\":");
        self.place(out);
    }

    fn pilot_strict(&self, out: &mut Vec<u8>) {
        let message = self.fields.map(|fields| fields.message.as_deref());
        if self.event.stream.is_some() {
            out.extend_from_slice(b"log\":\"");
            self.text(out);
            if !self.event.partial {
                out.extend_from_slice(b"\\n");
            }
            self.stream(out);
            out.extend_from_slice(b",\"");
        } else if message != Some(None) {
            out.extend_from_slice(b"message\":\"");
            match message.flatten() {
                Some(message) => out.extend_from_slice(message),
                None => self.text(out),
            }
            out.extend_from_slice(b"\",\"");
        }
        out.extend_from_slice(b"time\":\"");
        out.extend_from_slice(self.time);
        out.push(b'"');
        if let Some(attrs) = self.attrs.strip_prefix(DOCKER) {
            out.push(b',');
            out.extend_from_slice(&attrs[..attrs.len() - 1]);
        }
        if let Some(fields) = self.fields {
            out.extend_from_slice(&fields.members);
        }
    }

    #[inline]
    fn text(&self, out: &mut Vec<u8>) {
        for piece in self.event.text {
            out.extend_from_slice(piece);
        }
    }

    /// Ends a string, and says which stream the line came by.
    #[inline]
    fn stream(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.event.stream {
            Some(Stream::Stdout) => b"\",\"stream\":\"stdout\"",
            Some(Stream::Stderr) => b"\",\"stream\":\"stderr\"",
            None => b"\"",
        });
    }

    #[inline]
    fn is_unusual(&self) -> bool {
        self.event.partial || self.event.damage.is_some() || self.undated
    }

    #[cold]
    fn marks(&self, out: &mut Vec<u8>) {
        if self.event.partial {
            out.extend_from_slice(b"\"partial\":true,");
        }
        if let Some(damage) = self.event.damage {
            out.extend_from_slice(b"\"damage\":\"");
            out.extend_from_slice(damage.as_str().as_bytes());
            out.extend_from_slice(b"\",");
        }
        if self.undated {
            out.extend_from_slice(b"\"undated\":true,");
        }
    }

    /// The offset, and the key that sorts a source's events over all of its files.
    #[inline]
    fn place(&self, out: &mut Vec<u8>) {
        decimal(out, self.event.offset);
        out.extend_from_slice(b",\"order\":\"");
        out.extend_from_slice(self.time);
        out.push(b'-');
        out.extend_from_slice(&offset_digits(
            self.event.file.base.saturating_add(self.event.offset),
        ));
        out.push(b'"');
    }
}

/// Appends the decimal digits of a number.
#[inline]
fn decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
