//! The shared words: ids, limits, time, reasons. Every room may import this one; it imports none.

mod finding;
mod ids;
pub mod limits;
mod now;
mod origin;
mod pattern;
mod reason;
mod rules;

pub use finding::{Finding, Verdict};
pub use ids::{
    BatchId, Epoch, IdPrefix, KeyParts, Owner, SourceKey, SourceToken, Stream, key_parts,
};
pub use now::Now;
pub use origin::{Origin, Pod};
pub use pattern::matches;
pub use reason::{DamageReason, LossReason};
pub use rules::{FieldFormat, FieldRules, JoinRules, JoinSide};
