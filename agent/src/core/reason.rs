//! Why something was lost or came out otherwise than it stood: closed lists, each with a counter.

use serde::{Deserialize, Serialize};

/// A loss that is declared: bytes that were on disk and can no longer be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LossReason {
    /// The container, with its log, was removed while no agent ran.
    RemovedWhileAway,
    /// The log was deleted before it could be opened.
    DeletedBeforeOpen,
    /// The container came and went before anybody could read what it is: what it had to be
    /// collected is unknown, but for an output that could be opened.
    NeverDescribed,
    /// A rotated file with unread bytes was gone at the next look.
    RotatedWhileAway,
    /// Files were rotated through between two looks, and some may have come and gone unseen.
    RotatedUnseen,
    /// The file shrank below the position; what lay between is gone.
    Truncated,
    /// The disk could not give the bytes back.
    ReadError,
}

impl LossReason {
    pub const ALL: [Self; 7] = [
        Self::RemovedWhileAway,
        Self::DeletedBeforeOpen,
        Self::NeverDescribed,
        Self::RotatedWhileAway,
        Self::RotatedUnseen,
        Self::Truncated,
        Self::ReadError,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::RemovedWhileAway => "removed_while_away",
            Self::DeletedBeforeOpen => "deleted_before_open",
            Self::NeverDescribed => "never_described",
            Self::RotatedWhileAway => "rotated_while_away",
            Self::RotatedUnseen => "rotated_unseen",
            Self::Truncated => "truncated",
            Self::ReadError => "read_error",
        }
    }
}

/// A record that was no legal Docker record; its text is delivered as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DamageReason {
    /// A run of NUL bytes was skipped (power loss, or a sparse head after copytruncate).
    Nul,
    /// The line is no JSON object of the expected shape.
    NotJson,
    /// A torn record with another one glued behind it.
    Torn,
    /// The bytes are no UTF-8; each bad one became U+FFFD.
    NotUtf8,
    /// Longer than `line_bytes_max`; delivered in pieces.
    Oversized,
}

impl DamageReason {
    pub const ALL: [Self; 5] =
        [Self::Nul, Self::NotJson, Self::Torn, Self::NotUtf8, Self::Oversized];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nul => "nul",
            Self::NotJson => "not_json",
            Self::Torn => "torn",
            Self::NotUtf8 => "not_utf8",
            Self::Oversized => "oversized",
        }
    }
}
