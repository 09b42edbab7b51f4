//! Fields of an event's text under names that nothing else in its document has.

use super::Shape;
use super::shape::Tail;
use crate::decode::{Event, Fields, escape_into, flat_name};

/// In front of a name that the document has for something else, as often as it takes. Nothing that
/// a text says is overwritten, nor overwrites what the agent says.
const PREFIX: &str = "log_";

/// Names of log-pilot's that a field of the text cannot take, whether a document has them or not:
/// else the same field would have two names in one index.
const PILOT_NAMES: [&str; 11] = [
    "time",
    "docker_container",
    "docker_app",
    "docker_service",
    "k8s_pod",
    "k8s_pod_namespace",
    "k8s_container_name",
    "k8s_node_name",
    "host",
    "index",
    "topic",
];

/// Those that documents of the pilot shape have beyond log-pilot's.
const OWN_NAMES: [&str; 10] = [
    "@timestamp",
    "message",
    "container_id",
    "image",
    "source",
    "offset",
    "order",
    "partial",
    "damage",
    "undated",
];

/// Members of a document, kept from event to event for their buffers.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// `,"name":value` for each.
    pub(super) members: Vec<u8>,
    /// The inside of the string that the document's `message` is instead of the whole text.
    pub(super) message: Option<Vec<u8>>,
    names: String,
    ends: Vec<usize>,
}

impl Named {
    /// Names the fields of an event. In the pilot shape they stand at the document's root, where a
    /// `message` among them is the document's; in the other one they have an object of their own.
    pub(super) fn name(&mut self, fields: &Fields, event: &Event<'_>, tail: &Tail) {
        self.members.clear();
        self.message = None;
        self.names.clear();
        self.ends.clear();
        let is_flat = tail.shape() != Shape::Ecs;
        // A time that became the event's is not said twice.
        let time = fields.time_member().filter(|_| event.time.is_none());
        for (number, member) in fields.members().enumerate() {
            let is_last = || !fields.members().skip(number + 1).any(|it| it.name == member.name);
            if time == Some(number) || !is_last() {
                continue;
            }
            if is_flat && member.name == "message" && member.is_string() {
                self.message = Some(member.value[1..member.value.len() - 1].to_vec());
                continue;
            }
            let mut name = flat_name(member.name);
            while self.has(&name) || is_flat && is_own(&name, event, tail) {
                name.to_mut().insert_str(0, PREFIX);
            }
            self.members.extend_from_slice(b",\"");
            escape_into(&mut self.members, &name);
            self.members.extend_from_slice(b"\":");
            self.members.extend_from_slice(member.value);
            self.names.push_str(&name);
            self.ends.push(self.names.len());
        }
    }

    fn has(&self, name: &str) -> bool {
        let begins = std::iter::once(&0).chain(&self.ends);
        begins.zip(&self.ends).any(|(begin, end)| self.names[*begin..*end] == *name)
    }
}

/// Whether a name at the root of a document is taken. Elasticsearch refuses a document with a
/// field like `_id`, and which names it keeps for itself changes with its version.
fn is_own(name: &str, event: &Event<'_>, tail: &Tail) -> bool {
    let of_shape = match tail.shape() {
        Shape::PilotStrict => matches!(name, "message" | "attrs"),
        Shape::Ecs | Shape::Pilot => OWN_NAMES.contains(&name) || name == "docker",
    };
    name.starts_with('_')
        || of_shape
        || PILOT_NAMES.contains(&name)
        || event.stream.is_some() && matches!(name, "log" | "stream")
        || tail.has(name)
}
