//! What the running kernel says of its own types: as much of BTF as the programs need.
//!
//! The format is `Documentation/bpf/btf.rst` of the kernel. The loader's own parser keeps its
//! members to itself and builds a tree of 150 000 types; here one pass over the bytes remembers
//! where the few types are that were asked for.

use std::collections::{HashMap, HashSet};

/// Larger than any kernel's (vmlinux with everything built in: 12 MiB).
pub(super) const BYTES_MAX: u64 = 64 << 20;

/// Anonymous structures inside one another; the kernel's own code has up to four.
const DEPTH_MAX: usize = 8;

/// Types that lead to another one (`const`, typedefs) before a structure is reached.
const CHAIN_MAX: usize = 16;

const MAGIC: u16 = 0xeb9f;
const HEADER_BYTES: usize = 24;

/// What each type begins with.
const FIXED_BYTES: usize = 12;

/// A member of a structure: name, type, place. A parameter is name and type.
const MEMBER_BYTES: usize = 12;

const PTR: u32 = 2;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const TYPE_TAG: u32 = 18;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    #[error("it is cut off or does not begin as BTF does")]
    Header,
    #[error("type {id} reaches beyond the end")]
    Cut { id: u32 },
    /// The kernel is newer than this program.
    #[error("type {id} is of kind {kind}, which is unknown to this version")]
    Kind { id: u32, kind: u32 },
}

/// BTF of the kernel, or of a module on top of it.
pub(super) struct Btf<'a> {
    bytes: Vec<u8>,
    /// Where each type begins in `bytes`, from `first_id` on.
    types: Vec<u32>,
    first_id: u32,
    strings: std::ops::Range<usize>,
    /// Where this part of the strings begins in the numbering of both.
    strings_from: usize,
    base: Option<&'a Self>,
    /// By kind and name.
    found: HashMap<(u32, Vec<u8>), Vec<u32>>,
}

/// A type and where its members or parameters lie.
#[derive(Clone, Copy)]
struct Found<'b> {
    part: &'b Btf<'b>,
    about: Type,
}

/// One type's fixed part.
#[derive(Clone, Copy)]
struct Type {
    at: usize,
    name: u32,
    kind: u32,
    /// Members or parameters.
    count: usize,
    /// Offsets of members are 24 bits, and a bit field's size is above them.
    packed: bool,
    /// Its size, or the type that it is about.
    size_or_id: u32,
}

impl<'a> Btf<'a> {
    /// `wanted` are the names that may be asked for later. A module's types continue its `base`.
    pub(super) fn parse(
        bytes: Vec<u8>,
        base: Option<&'a Self>,
        wanted: &HashSet<&[u8]>,
    ) -> Result<Self, BtfError> {
        let word = |at: usize| u32_at(&bytes, at).map(|word| word as usize);
        if bytes.get(..2) != Some(&MAGIC.to_le_bytes()) {
            return Err(BtfError::Header);
        }
        let section = |at: usize| {
            let begin = word(4)?.checked_add(word(at)?)?;
            let end = begin.checked_add(word(at + 4)?)?;
            (begin >= HEADER_BYTES && end <= bytes.len()).then_some(begin..end)
        };
        let types = section(8).ok_or(BtfError::Header)?;
        let strings = section(16).ok_or(BtfError::Header)?;
        let mut this = Self {
            types: Vec::new(),
            first_id: base.map_or(1, Self::next_id),
            strings_from: base.map_or(0, |base| base.strings_from + base.strings.len()),
            strings,
            base,
            found: HashMap::new(),
            bytes,
        };
        this.index(types, wanted)?;
        Ok(this)
    }

    /// The offset in bytes of the first of `names` that is a member of `structure`, also of
    /// anonymous ones inside. A bit field is not found.
    pub(super) fn member(&self, structure: &str, names: &[&str]) -> Option<u32> {
        let ids = || self.ids(STRUCT, structure).chain(self.ids(UNION, structure));
        names.iter().find_map(|name| {
            ids().find_map(|id| self.offset_in(self.find(id)?, name.as_bytes(), DEPTH_MAX))
        })
    }

    pub(super) fn size(&self, structure: &str) -> Option<u32> {
        let id = self.ids(STRUCT, structure).next()?;
        Some(self.find(id)?.about.size_or_id)
    }

    pub(super) fn has_function(&self, name: &str) -> bool {
        self.ids(FUNC, name).next().is_some()
    }

    /// The structure that the first argument of a tracepoint points to. `None` also if there is
    /// no such tracepoint.
    pub(super) fn tracepoint_argument(&self, name: &str) -> Option<String> {
        let id = self.ids(TYPEDEF, &tracepoint_type(name)).next()?;
        let prototype = self.follow(id, FUNC_PROTO)?;
        // Before the arguments comes what was registered with the tracepoint.
        if prototype.about.count < 2 {
            return None;
        }
        let argument = u32_at(&prototype.part.bytes, prototype.about.at + FIXED_BYTES + 8 + 4)?;
        let structure = self.follow(argument, STRUCT)?;
        let name = structure.part.name(structure.about.name)?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// Goes through pointers and names of types until one of `kind`.
    fn follow(&self, mut id: u32, kind: u32) -> Option<Found<'_>> {
        for _ in 0..CHAIN_MAX {
            let found = self.find(id)?;
            match found.about.kind {
                _ if found.about.kind == kind => return Some(found),
                PTR | TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => {
                    id = found.about.size_or_id;
                }
                _ => return None,
            }
        }
        None
    }

    fn offset_in(&self, of: Found<'_>, name: &[u8], depth: usize) -> Option<u32> {
        let Found { part, about } = of;
        if !matches!(about.kind, STRUCT | UNION) {
            return None;
        }
        (0..about.count).find_map(|index| {
            let at = about.at + FIXED_BYTES + index * MEMBER_BYTES;
            let (member, id) = (u32_at(&part.bytes, at)?, u32_at(&part.bytes, at + 4)?);
            let place = u32_at(&part.bytes, at + 8)?;
            let (bits, is_field) =
                if about.packed { (place & 0xff_ffff, place >> 24 != 0) } else { (place, false) };
            let begin = bits / 8;
            if member != 0 {
                let is_it = part.name(member)? == name && !is_field && bits % 8 == 0;
                return is_it.then_some(begin);
            }
            // Anonymous: its members are this structure's.
            let inner = self.offset_in(self.find(id)?, name, depth.checked_sub(1)?)?;
            begin.checked_add(inner)
        })
    }

    fn index(
        &mut self,
        types: std::ops::Range<usize>,
        wanted: &HashSet<&[u8]>,
    ) -> Result<(), BtfError> {
        let mut at = types.start;
        while at < types.end {
            let id = self.next_id();
            let found = type_at(&self.bytes, at).ok_or(BtfError::Cut { id })?;
            let each = match found.kind {
                1 | 14 | 17 => 4,
                PTR | 7 | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | 16 | TYPE_TAG => 0,
                3 => 12,
                STRUCT | UNION | 15 | 19 => MEMBER_BYTES * found.count,
                6 | FUNC_PROTO => 8 * found.count,
                kind => return Err(BtfError::Kind { id, kind }),
            };
            let end = at + FIXED_BYTES + each;
            if end > types.end {
                return Err(BtfError::Cut { id });
            }
            self.types.push(at as u32);
            if matches!(found.kind, STRUCT | UNION | TYPEDEF | FUNC)
                && let Some(name) = self.name(found.name)
                && wanted.contains(name)
            {
                let key = (found.kind, name.to_owned());
                self.found.entry(key).or_default().push(id);
            }
            at = end;
        }
        Ok(())
    }

    fn next_id(&self) -> u32 {
        self.first_id + self.types.len() as u32
    }

    fn ids(&self, kind: u32, name: &str) -> impl Iterator<Item = u32> {
        let key = (kind, name.as_bytes().to_owned());
        let base = self.base.and_then(|base| base.found.get(&key));
        base.into_iter().chain(self.found.get(&key)).flatten().copied()
    }

    fn find(&self, id: u32) -> Option<Found<'_>> {
        let part = match self.base {
            Some(base) if id < self.first_id => base,
            _ => self,
        };
        let at = *part.types.get(id.checked_sub(part.first_id)? as usize)?;
        Some(Found { part, about: type_at(&part.bytes, at as usize)? })
    }

    fn name(&self, at: u32) -> Option<&[u8]> {
        let at = at as usize;
        if let Some(base) = self.base
            && at < self.strings_from
        {
            return base.name(at as u32);
        }
        let begin = self.strings.start.checked_add(at - self.strings_from)?;
        let strings = self.bytes.get(begin..self.strings.end)?;
        Some(&strings[..memchr::memchr(0, strings)?])
    }
}

/// The type by which BTF tells of a tracepoint.
pub(super) fn tracepoint_type(name: &str) -> String {
    format!("btf_trace_{name}")
}

fn type_at(bytes: &[u8], at: usize) -> Option<Type> {
    let info = u32_at(bytes, at + 4)?;
    Some(Type {
        at,
        name: u32_at(bytes, at)?,
        kind: info >> 24 & 0x1f,
        count: (info & 0xffff) as usize,
        packed: info >> 31 != 0,
        size_or_id: u32_at(bytes, at + 8)?,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes BTF as a compiler would.
    #[derive(Default)]
    struct Writer {
        types: Vec<u8>,
        strings: Vec<u8>,
        strings_from: usize,
    }

    impl Writer {
        fn new(strings_from: usize) -> Self {
            Self { strings: vec![0], strings_from, ..Self::default() }
        }

        fn name(&mut self, name: &str) -> u32 {
            if name.is_empty() {
                return 0;
            }
            let at = self.strings_from + self.strings.len();
            self.strings.extend_from_slice(name.as_bytes());
            self.strings.push(0);
            at as u32
        }

        fn words(&mut self, words: &[u32]) {
            for word in words {
                self.types.extend_from_slice(&word.to_le_bytes());
            }
        }

        fn of(&mut self, kind: u32, name: &str, size_or_id: u32) {
            let name = self.name(name);
            self.words(&[name, kind << 24, size_or_id]);
        }

        fn structure(&mut self, name: &str, packed: bool, members: &[(&str, u32, u32)]) {
            let name = self.name(name);
            let info = STRUCT << 24 | u32::from(packed) << 31 | members.len() as u32;
            self.words(&[name, info, 96]);
            for (member, id, place) in members {
                let member = self.name(member);
                self.words(&[member, *id, *place]);
            }
        }

        fn bytes(&self) -> Vec<u8> {
            let mut bytes = MAGIC.to_le_bytes().to_vec();
            bytes.extend_from_slice(&[1, 0]);
            let lens = [24, 0, self.types.len(), self.types.len(), self.strings.len()];
            bytes.extend(lens.iter().flat_map(|len| (*len as u32).to_le_bytes()));
            bytes.extend_from_slice(&self.types);
            bytes.extend_from_slice(&self.strings);
            bytes
        }
    }

    fn wanted() -> HashSet<&'static [u8]> {
        let names = ["inode", "host", "btf_trace_wrote", "vfs_write", "in_module"];
        names.into_iter().map(str::as_bytes).collect()
    }

    fn kernel() -> Writer {
        let mut writer = Writer::new(0);
        // 1: an anonymous structure, 2: with another around it.
        writer.structure("", false, &[("deep", 9, 64)]);
        writer.structure("", false, &[("", 1, 128)]);
        writer.structure(
            "inode",
            true,
            &[("mode", 9, 0), ("flag", 9, 1 << 24 | 0x21), ("", 2, 256)],
        );
        writer.of(PTR, "", 5);
        writer.of(CONST, "", 3);
        let none = writer.name("");
        // 6: void (*)(void *, const struct inode *)
        writer.words(&[none, FUNC_PROTO << 24 | 2, 0, none, 0, none, 4]);
        writer.of(PTR, "", 6);
        writer.of(TYPEDEF, "btf_trace_wrote", 7);
        writer.of(FUNC, "vfs_write", 6);
        writer
    }

    #[test]
    fn finds_what_was_asked_for() {
        let btf = Btf::parse(kernel().bytes(), None, &wanted()).unwrap();
        let check = |names: &[&str], expect: Option<u32>| {
            assert_eq!(btf.member("inode", names), expect, "{names:?}");
        };
        check(&["mode"], Some(0));
        check(&["deep"], Some(32 + 16 + 8));
        check(&["none", "deep", "mode"], Some(56));
        check(&["flag"], None);
        check(&[], None);
        assert_eq!(btf.size("inode"), Some(96));
        assert_eq!(btf.member("host", &["mode"]), None);
        assert!(btf.has_function("vfs_write") && !btf.has_function("inode"));
        assert_eq!(btf.tracepoint_argument("wrote").as_deref(), Some("inode"));
        assert_eq!(btf.tracepoint_argument("read"), None);
    }

    #[test]
    fn a_module_goes_on_where_the_kernel_ends() {
        let kernel = kernel();
        let base = Btf::parse(kernel.bytes(), None, &wanted()).unwrap();
        let mut writer = Writer::new(kernel.strings.len());
        writer.structure("in_module", false, &[("own", 3, 64), ("", 2, 128)]);
        let module = Btf::parse(writer.bytes(), Some(&base), &wanted()).unwrap();
        assert_eq!(module.member("in_module", &["own"]), Some(8));
        assert_eq!(module.member("in_module", &["deep"]), Some(16 + 24));
        assert_eq!(module.member("inode", &["mode"]), Some(0));
        assert_eq!(base.member("in_module", &["own"]), None);
    }

    #[test]
    fn cut_and_garbled_bytes_are_errors_or_find_nothing() {
        let whole = kernel().bytes();
        for len in 0..whole.len() {
            assert!(Btf::parse(whole[..len].to_vec(), None, &wanted()).is_err(), "{len}");
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut garbled = whole.clone();
                garbled[at] = byte;
                if let Ok(btf) = Btf::parse(garbled, None, &wanted()) {
                    let _ = (btf.member("inode", &["deep"]), btf.tracepoint_argument("wrote"));
                }
            }
        }
        let mut writer = Writer::new(0);
        writer.of(31, "x", 0);
        let error = Btf::parse(writer.bytes(), None, &wanted()).err();
        assert_eq!(error, Some(BtfError::Kind { id: 1, kind: 31 }));
    }

    #[test]
    fn structures_that_hold_themselves_end() {
        let mut writer = Writer::new(0);
        writer.structure("inode", false, &[("", 1, 0)]);
        writer.of(TYPEDEF, "btf_trace_wrote", 2);
        let btf = Btf::parse(writer.bytes(), None, &wanted()).unwrap();
        assert_eq!(btf.member("inode", &["x"]), None);
        assert_eq!(btf.tracepoint_argument("wrote"), None);
    }
}
