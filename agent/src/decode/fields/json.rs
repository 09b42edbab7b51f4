//! An object per line.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;

use simd_json::{Buffers, Node, StaticNode, Tape};

use super::members::{MEMBERS_MAX, Members};
use super::name::flat_name;
use crate::decode::escape_into;
use crate::decode::slow::{object, replace_lone_surrogates};

/// Objects and lists in each other. Elasticsearch refuses more than 20 by default, and a document
/// of ours adds one.
const DEPTH_MAX: usize = 16;

/// The parser's buffers.
#[derive(Default)]
pub(super) struct Scratch {
    buffers: Buffers,
    tape: Option<Tape<'static>>,
}

impl fmt::Debug for Scratch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Scratch").finish_non_exhaustive()
    }
}

impl Scratch {
    /// The members of the object that `text` is; the parser works within.
    pub(super) fn members(&mut self, text: &mut [u8], members: &mut Members) -> bool {
        if text.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return false;
        }
        replace_lone_surrogates(text);
        let mut tape = self.tape.take().unwrap_or_else(Tape::null).reset();
        let found = simd_json::fill_tape(text, &mut self.buffers, &mut tape).is_ok()
            && write_members(&tape.0, members);
        self.tape = Some(tape.reset());
        found
    }
}

fn write_members(tape: &[Node<'_>], members: &mut Members) -> bool {
    let Some(object) = object(tape) else { return false };
    let mut budget = MEMBERS_MAX;
    for (name, value) in object {
        let Some(left) = budget.checked_sub(1) else { return false };
        budget = left;
        if !members.json(name, |out| write_value(out, value, DEPTH_MAX, &mut budget)) {
            return false;
        }
    }
    true
}

/// Appends a value; `false` if it is nested too deep, has too many members or a number that JSON
/// cannot say.
fn write_value(out: &mut Vec<u8>, value: &[Node<'_>], depth: usize, budget: &mut usize) -> bool {
    match value.first() {
        Some(Node::String(text)) => {
            out.push(b'"');
            escape_into(out, text);
            out.push(b'"');
            true
        }
        Some(Node::Static(scalar)) => write_scalar(out, *scalar),
        Some(Node::Object { .. }) if depth > 1 => write_object(out, value, depth - 1, budget),
        Some(Node::Array { len, .. }) if depth > 1 => {
            write_array(out, *len, &value[1..], depth - 1, budget)
        }
        _ => false,
    }
}

fn write_scalar(out: &mut Vec<u8>, scalar: StaticNode) -> bool {
    // Nothing fails that is written into memory.
    match scalar {
        StaticNode::I64(number) => write!(out, "{number}").is_ok(),
        StaticNode::U64(number) => write!(out, "{number}").is_ok(),
        // Shorter than what `Display` makes of 1e300.
        StaticNode::F64(number) => number.is_finite() && write!(out, "{number:?}").is_ok(),
        StaticNode::Bool(truth) => write!(out, "{truth}").is_ok(),
        StaticNode::Null => write!(out, "null").is_ok(),
    }
}

fn write_array(
    out: &mut Vec<u8>,
    len: usize,
    mut rest: &[Node<'_>],
    depth: usize,
    budget: &mut usize,
) -> bool {
    out.push(b'[');
    for number in 0..len {
        if number > 0 {
            out.push(b',');
        }
        let nodes = match rest.first() {
            Some(Node::Object { count, .. } | Node::Array { count, .. }) => 1 + count,
            Some(Node::String(_) | Node::Static(_)) => 1,
            None => return false,
        };
        let Some((value, more)) = rest.split_at_checked(nodes) else { return false };
        if !write_value(out, value, depth, budget) {
            return false;
        }
        rest = more;
    }
    out.push(b']');
    true
}

/// Of two members with one name the last holds; a name that becomes another's gets `_` behind it.
fn write_object(out: &mut Vec<u8>, value: &[Node<'_>], depth: usize, budget: &mut usize) -> bool {
    let Some(members) = object(value) else { return false };
    let members: Vec<_> = members.collect();
    let Some(left) = budget.checked_sub(members.len()) else { return false };
    *budget = left;
    let mut written: Vec<Cow<'_, str>> = Vec::with_capacity(members.len());
    out.push(b'{');
    for (number, (name, value)) in members.iter().enumerate() {
        if members[number + 1..].iter().any(|(later, _)| later == name) {
            continue;
        }
        let mut name = flat_name(name);
        while written.contains(&name) {
            name.to_mut().push('_');
        }
        out.extend_from_slice(if written.is_empty() { b"\"" } else { b",\"" });
        escape_into(out, &name);
        out.extend_from_slice(b"\":");
        written.push(name);
        if !write_value(out, value, depth, budget) {
            return false;
        }
    }
    out.push(b'}');
    true
}
