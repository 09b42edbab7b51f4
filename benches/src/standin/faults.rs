//! Faults on demand: rules that are set, counted and taken back while the stand-in runs.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::rng::Rng;

/// Where in the life of a request something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The head was read, nothing of the body.
    BeforeBody,
    /// At least so many wire bytes of the body were read, and not all of it if it is longer.
    MidBody { bytes: usize },
    /// The whole body was read, and nothing stored.
    Received,
    /// The documents were stored; only the answer is lost.
    Stored,
}

#[derive(Clone, Debug)]
pub enum Fault {
    /// The whole request is refused with the error that the version gives with this status
    /// (400, 401, 403, 404, 413, 429, 500, 502, 503, 504), and nothing is stored.
    Status(u16),
    /// The whole request is refused with an error of this type.
    Refuse { status: u16, kind: String, reason: String },
    /// A proxy's page instead of an answer; nothing is stored.
    HtmlPage(u16),
    /// Some items fail, the others are stored.
    Items(ItemFault),
    /// The connection is closed.
    Cut(Stage),
    /// Nothing happens any more, on an open connection.
    Stall(Stage),
    /// The answer comes after so long.
    Delay(Duration),
    /// The answer's body comes one byte per interval.
    SlowAnswer { interval: Duration },
    /// The items behind the first so many are neither stored nor answered, as Elasticsearch 9 does
    /// with a torn body.
    FewerItems { keep: usize },
    /// Everything is stored; the answer has so many items too many.
    MoreItems { extra: usize },
    /// Everything is stored; the answer is cut in half, with a content length that fits the half.
    TruncatedJson,
    /// Everything is stored; the connection is closed in the middle of the answer.
    CutAnswer,
}

/// What is wrong with an item; status and type are those of the version.
#[derive(Clone, Debug)]
pub enum ItemError {
    /// 429, the write queue is full.
    Rejected,
    /// 503 `unavailable_shards_exception`
    Unavailable,
    /// 400, the document does not fit the mapping.
    Mapping,
    /// 400 `index_closed_exception`
    IndexClosed,
    /// 403 `cluster_block_exception`, the index takes no writes.
    IndexBlocked,
    /// Disk full: 403 before Elasticsearch 7, 429 since; `cluster_block_exception`.
    FloodStage,
    /// 404 `index_not_found_exception`
    IndexNotFound,
    /// 409 although nothing was stored before.
    Conflict,
    Other {
        status: u16,
        kind: String,
        reason: String,
    },
}

/// One item as a predicate sees it.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// From 0 within its request.
    pub position: usize,
    pub index: &'a str,
    pub id: &'a str,
    pub source: &'a [u8],
}

/// Which items a fault hits.
#[derive(Clone)]
pub enum Which {
    All,
    /// Every k-th item of a request, from the k-th on.
    Every(usize),
    Index(String),
    IndexPrefix(String),
    /// Documents whose bytes contain this.
    Containing(String),
    Matching(Arc<dyn Fn(&Item<'_>) -> bool + Send + Sync>),
}

impl Which {
    pub fn matching(predicate: impl Fn(&Item<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self::Matching(Arc::new(predicate))
    }

    fn hits(&self, item: &Item<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Every(k) => (item.position + 1).is_multiple_of(*k),
            Self::Index(name) => item.index == name,
            Self::IndexPrefix(prefix) => item.index.starts_with(prefix.as_str()),
            Self::Containing(part) => memchr::memmem::find(item.source, part.as_bytes()).is_some(),
            Self::Matching(predicate) => predicate(item),
        }
    }
}

impl fmt::Debug for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("All"),
            Self::Every(k) => write!(f, "Every({k})"),
            Self::Index(name) => write!(f, "Index({name})"),
            Self::IndexPrefix(prefix) => write!(f, "IndexPrefix({prefix})"),
            Self::Containing(part) => write!(f, "Containing({part})"),
            Self::Matching(_) => f.write_str("Matching(…)"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct ItemFault {
    pub which: Which,
    pub error: ItemError,
}

impl ItemFault {
    pub(super) fn hits(&self, item: &Item<'_>) -> bool {
        self.which.hits(item)
    }
}

/// Which requests a rule looks at.
#[derive(Clone, Debug, Default)]
pub enum Scope {
    #[default]
    Bulk,
    All,
    /// Requests whose path begins so.
    Path(String),
}

/// A fault and when it happens. Without a bound it happens to each request in its scope.
#[derive(Clone, Debug)]
pub struct Rule {
    fault: Fault,
    scope: Scope,
    skip: u64,
    left: Option<u64>,
    duration: Option<Duration>,
    until: Option<Instant>,
    chance: Option<(f64, Rng)>,
    fired: u64,
}

impl Rule {
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            scope: Scope::default(),
            skip: 0,
            left: None,
            duration: None,
            until: None,
            chance: None,
            fired: 0,
        }
    }

    pub fn items(which: Which, error: ItemError) -> Self {
        Self::new(Fault::Items(ItemFault { which, error }))
    }

    /// Happens to so many requests, then no more.
    #[must_use]
    pub fn times(mut self, requests: u64) -> Self {
        self.left = Some(requests);
        self
    }

    /// Lets so many requests of its scope pass first.
    #[must_use]
    pub fn after(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// Ends so long after it was added.
    #[must_use]
    pub fn lasting(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// Happens with this probability (0 to 1), decided by the seed.
    #[must_use]
    pub fn with_probability(mut self, probability: f64, seed: u64) -> Self {
        self.chance = Some((probability, Rng::new(seed)));
        self
    }

    #[must_use]
    pub fn on(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    fn fires(&mut self, path: &str, now: Instant) -> bool {
        let in_scope = match &self.scope {
            Scope::All => true,
            Scope::Bulk => path.ends_with("/_bulk"),
            Scope::Path(prefix) => path.starts_with(prefix.as_str()),
        };
        if !in_scope || self.left == Some(0) || self.until.is_some_and(|until| now >= until) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if let Some((probability, rng)) = &mut self.chance
            && !rng.chance(*probability)
        {
            return false;
        }
        self.left = self.left.map(|left| left - 1);
        self.fired += 1;
        true
    }
}

/// Names a rule that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(u64);

/// The rules in force. For one request every rule that fires has its effect; of several that
/// refuse the whole request the one added first wins, and of several on one item likewise.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    next: u64,
    list: Vec<(RuleId, Rule)>,
}

impl Faults {
    pub fn add(&self, mut rule: Rule) -> RuleId {
        rule.until = rule.duration.map(|duration| Instant::now() + duration);
        let mut rules = self.lock();
        let id = RuleId(rules.next);
        rules.next += 1;
        rules.list.push((id, rule));
        id
    }

    /// Adds a fault for every bulk request, until it is taken back.
    pub fn set(&self, fault: Fault) -> RuleId {
        self.add(Rule::new(fault))
    }

    pub fn remove(&self, id: RuleId) {
        self.lock().list.retain(|(known, _)| *known != id);
    }

    pub fn clear(&self) {
        self.lock().list.clear();
    }

    /// To how many requests the rule happened; 0 after it was removed.
    pub fn fired(&self, id: RuleId) -> u64 {
        let rules = self.lock();
        rules.list.iter().find(|(known, _)| *known == id).map_or(0, |(_, rule)| rule.fired)
    }

    pub(super) fn for_request(&self, path: &str) -> Vec<Fault> {
        let now = Instant::now();
        let mut rules = self.lock();
        rules
            .list
            .iter_mut()
            .filter_map(|(_, rule)| rule.fires(path, now).then(|| rule.fault.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_happens_as_often_as_it_says() {
        let faults = Faults::default();
        let id = faults.add(Rule::new(Fault::Status(503)).after(1).times(2));
        let fired: Vec<usize> = (0..5).map(|_| faults.for_request("/_bulk").len()).collect();
        assert_eq!(fired, [0, 1, 1, 0, 0]);
        assert_eq!(faults.fired(id), 2);
        assert!(faults.for_request("/_search").is_empty());
    }

    #[test]
    fn probability_is_seeded() {
        let draw = || {
            let faults = Faults::default();
            faults.add(Rule::new(Fault::Status(429)).with_probability(0.3, 7));
            (0..1000).map(|_| faults.for_request("/_bulk").len()).collect::<Vec<_>>()
        };
        let first = draw();
        assert_eq!(first, draw());
        let hits: usize = first.iter().sum();
        assert!((200..400).contains(&hits), "{hits}");
    }
}
