//! Documents as they go by.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// What has gone by of a container since this onlooker asked last; `None` if there is none of that
/// name.
pub type TapFn = Arc<dyn Fn(Tapping) -> BoxFuture<'static, Option<TapView>> + Send + Sync>;

/// One onlooker's question.
#[derive(Clone, Debug, Deserialize)]
pub struct Tapping {
    /// Its name, its id, or the beginning of that.
    pub container: String,
    /// The onlooker's own number, the same each time.
    pub id: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapView {
    /// As they are sent, each a JSON object.
    pub documents: Vec<String>,
    /// Documents that there was no room for.
    pub left_out: u64,
    /// Too many look on already.
    pub is_full: bool,
}
