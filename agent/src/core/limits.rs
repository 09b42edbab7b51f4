//! Every bound of the agent, with the sketch of why that number, and how they relate.

/// One read of a busy file. 128–256 KiB is where page-cache reads are fastest.
pub const CHUNK_BYTES: usize = 256 << 10;

/// The longest line that is looked at as one. A Docker record of 16 KiB of the worst bytes is
/// 98 KiB and its attributes are bounded by the engine's own limits; ten times that is no record.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// The longest event, in bytes of its escaped text. A line of 1 MiB fits even when half of it has
/// to be escaped; Elasticsearch takes documents of this size without trouble.
pub const EVENT_BYTES_MAX: usize = 4 << 20;

/// A batch is sealed when its inflated body reaches this: large enough for full compression and
/// few requests, small enough that a node's two in flight do not weigh on a server's breaker.
pub const BATCH_BYTES: usize = 2 << 20;

/// The plain body is compressed in blocks of this size while it is still in the cache.
pub const BLOCK_BYTES: usize = 256 << 10;

/// Sealed batches of one worker that wait for their receipt. With all spent the worker stops
/// reading. Four hide one round trip behind the making of the next.
pub const BATCHES_IN_FLIGHT_MAX: usize = 4;

/// Unfinished pieces of lines that all sources of one worker may hold together.
pub const CARRY_BYTES_MAX: usize = 16 << 20;

/// How far beyond the bytes known to exist the store is told that ids may have been sent, so that
/// a slow trickle does not need a commit for each line.
pub const RESERVE_AHEAD_BYTES: u64 = 1 << 20;

/// The same in turns like the present one, for a log that is written fast: it has 10 turns a
/// second, so this is most of a second, after which there is a commit anyway.
pub const RESERVE_AHEAD_TURNS: u64 = 8;

/// How far ahead of the position the store is told that ids may have been sent, in a drain.
pub const RESERVE_BYTES_MAX: u64 = 256 << 20;

/// Times of reading that a file's journal holds: one for each second of what is in flight. An
/// output that is slower than this sees times that stand still, and no journal that grows.
pub const SEEN_ENTRIES_MAX: usize = 64;

/// Containers that have a figure of their own among declared losses. A figure is there until the
/// agent ends, and containers come and go; the agent's log names them all.
pub const LOSS_CONTAINERS_MAX: usize = 1_000;

/// Names in one container's log directory that are looked at.
pub const FILES_PER_SOURCE_MAX: usize = 1_024;

/// Sources that one agent follows: 10 000 containers are more than any node runs.
pub const SOURCES_MAX: usize = 65_536;

/// Logs that one container may declare. Hand-written ones are a handful; generated ones hundreds.
pub const LOGS_PER_CONTAINER_MAX: usize = 1_000;

/// Problems of one container that are told one by one: more than anyone reads.
pub const PROBLEMS_PER_CONTAINER_MAX: usize = 100;

/// Key of a declaration without its prefix: an index name of 255 bytes and the longest suffix.
pub const DECLARATION_KEY_BYTES_MAX: usize = 288;

/// One value of a declaration; what is longer is no path, pattern or target that anyone meant.
pub const DECLARATION_VALUE_BYTES_MAX: usize = 16 << 10;

/// `custom_config`, which has lines for every log of a container.
pub const CUSTOM_CONFIG_BYTES_MAX: usize = 64 << 10;

/// Extra fields of one log, and the bytes of their names and texts: they are in each document.
pub const TAGS_PER_LOG_MAX: usize = 64;
pub const TAG_NAME_BYTES_MAX: usize = 128;
pub const TAG_VALUE_BYTES_MAX: usize = 1_024;

/// Columns of a CSV log, as many as Elasticsearch's default of fields in one index has room for.
pub const CSV_KEYS_MAX: usize = 500;

/// Linux's `PATH_MAX`.
pub const PATH_BYTES_MAX: usize = 4_096;

/// Paths of one log.
pub const PATHS_PER_LOG_MAX: usize = 64;

/// Directories that one `**` stands for; Filebeat has 8.
pub const PATTERN_DEPTH_MAX: usize = 16;

/// The `_id`: sixteen characters of prefix and eleven hex digits of offset.
pub const DOCUMENT_ID_BYTES: usize = 27;

/// The highest offset that eleven hex digits hold: 16 TiB in one file.
pub const OFFSET_MAX: u64 = (1 << 44) - 1;

const _: () = assert!(EVENT_BYTES_MAX > LINE_BYTES_MAX);
const _: () = assert!(LINE_BYTES_MAX >= CHUNK_BYTES);
const _: () = assert!(CARRY_BYTES_MAX > EVENT_BYTES_MAX);
const _: () = assert!(BLOCK_BYTES <= BATCH_BYTES);
