//! The container around the blocks (RFC 1952), and how large it can become.

use crate::segment::SEGMENT_BYTES_MAX;

/// Magic, deflate, no flags, no time (a member is a function of its body), no extra flags, unknown
/// system.
pub(crate) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// Check sum and length.
const TRAILER_BYTES: usize = 8;
/// The end of the last block, an empty last one, and padding.
const LAST_BYTES: usize = 4;

/// A stored block has 3 bits, padding, and its length twice.
const STORED_HEAD_BYTES: usize = 5;
/// And no more bytes than this.
pub(crate) const STORED_BYTES_MAX: usize = 0xffff;
/// What a segment takes beyond its bytes if nothing can be compressed: the end of the block before
/// it, and as many stored blocks as it needs.
const STORED_SEGMENT_BYTES: usize =
    2 + STORED_HEAD_BYTES * SEGMENT_BYTES_MAX.div_ceil(STORED_BYTES_MAX);

/// No member of a body of `len` bytes is longer: the body and 22 bytes, and another 27 bytes for
/// each 256 KiB that have begun.
///
/// A member that was made of several texts is not longer than the sum of its texts' bounds.
pub const fn bound(len: usize) -> usize {
    let segments = len.div_ceil(SEGMENT_BYTES_MAX);
    len + HEADER.len() + LAST_BYTES + TRAILER_BYTES + segments * STORED_SEGMENT_BYTES
}
