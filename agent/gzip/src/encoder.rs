//! One body in, one gzip member out.

use crc32fast::Hasher;

use crate::member;
use crate::scan::Repeat;
use crate::segment::Segments;
use crate::sys::Level;

/// What an encoder knows of the bodies before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Nothing: a member depends on its body (and hints) alone.
    PerMember,
    /// The code that suited them, which saves making one for each body. Which bytes come out then
    /// depends on what was written before; what they inflate to does not.
    CarriedOver,
}

/// Makes gzip members.
///
/// It holds [`Encoder::MEMORY_BYTES`], takes all of it when it is made and allocates nothing
/// afterwards; the output's vector grows as far as its owner has not reserved.
pub struct Encoder {
    memory: Memory,
    level: Level,
    segments: Box<Segments>,
    check: Hasher,
    /// Bytes of the member so far, as its trailer has them.
    len: u32,
    /// Whether a member has begun and not ended.
    begun: bool,
}

impl Encoder {
    /// What an encoder takes from the heap.
    pub const MEMORY_BYTES: usize = Segments::MEMORY_BYTES;

    pub fn new(memory: Memory) -> Self {
        Self::with_level(memory, Level::detect())
    }

    /// One that uses no vector instructions, whatever the processor has. It writes the same bytes,
    /// slower.
    pub fn portable(memory: Memory) -> Self {
        Self::with_level(memory, Level::Portable)
    }

    fn with_level(memory: Memory, level: Level) -> Self {
        Self {
            memory,
            level,
            segments: Segments::new(),
            check: Hasher::new(),
            len: 0,
            begun: false,
        }
    }

    /// Appends one member, which inflates to `body`, to `out`. `repeats` are in the order of their
    /// `at`; those that are not are of no use, and do no harm.
    pub fn encode(&mut self, body: &[u8], repeats: &[Repeat], out: &mut Vec<u8>) {
        assert!(!self.begun, "a member that was begun ends before the next");
        self.push(body, repeats, out);
        self.finish(out);
    }

    /// Appends to a member, which is begun if none is, and appends what is complete of it to `out`.
    /// `repeats` have positions in `text`, in which alone matches are found; so texts should be
    /// long, 256 KiB and more.
    pub fn push(&mut self, text: &[u8], repeats: &[Repeat], out: &mut Vec<u8>) {
        self.begin(out);
        self.check.update(text);
        self.len = self.len.wrapping_add(text.len() as u32);
        self.segments.write(self.level, text, repeats, out);
    }

    /// Ends the member, which is empty if nothing was pushed.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.segments.end(out);
        let check = std::mem::take(&mut self.check).finalize();
        out.extend_from_slice(&check.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        self.len = 0;
        self.begun = false;
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.begun {
            if self.memory == Memory::PerMember {
                self.segments.forget();
            }
            self.segments.begin();
            out.extend_from_slice(&member::HEADER);
            self.begun = true;
        }
    }
}
