//! What texts of programs are filled with: values that come again as those of a real system do.

use crate::rng::Rng;

#[rustfmt::skip]
pub(super) const WORDS: [&str; 120] = [
    "account", "action", "address", "agent", "archive", "asset", "audit", "backend", "backup", "balance",
    "batch", "billing", "block", "bridge", "broker", "buffer", "build", "bundle", "cache", "catalog",
    "channel", "client", "cluster", "commit", "config", "connection", "consumer", "context", "control", "core",
    "counter", "customer", "data", "database", "delivery", "device", "dispatch", "document", "domain", "driver",
    "endpoint", "engine", "entry", "error", "event", "export", "factory", "feature", "filter", "format",
    "frame", "gateway", "group", "handler", "health", "history", "image", "import", "index", "input",
    "instance", "invoice", "item", "job", "kernel", "key", "label", "ledger", "library", "listener",
    "loader", "lock", "manager", "mapper", "market", "member", "memory", "message", "metric", "model",
    "module", "monitor", "network", "node", "notice", "object", "order", "output", "package", "parser",
    "partner", "payment", "pipeline", "policy", "pool", "process", "product", "profile", "project", "proxy",
    "queue", "record", "region", "registry", "release", "report", "request", "resource", "result", "router",
    "schedule", "schema", "search", "server", "service", "session", "shipment", "storage", "stream", "worker",
];

const VERBS: [&str; 24] = [
    "accepted",
    "added",
    "allocated",
    "assigned",
    "checked",
    "closed",
    "completed",
    "created",
    "deleted",
    "dropped",
    "expired",
    "failed",
    "finished",
    "flushed",
    "ignored",
    "loaded",
    "moved",
    "opened",
    "received",
    "refused",
    "retried",
    "scheduled",
    "started",
    "updated",
];

const JOINTS: [&str; 12] = [
    "after",
    "because of",
    "before",
    "by",
    "during",
    "for",
    "from",
    "in",
    "of the",
    "to",
    "while the",
    "with",
];

pub(super) const AGENTS: [&str; 8] = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.9.1",
    "kube-probe/1.34",
    "Go-http-client/2.0",
    "aws-sdk-java/2.31.50 md/io#sync md/http#Apache ua/2.1 os/Linux#6.1 lang/java#21.0.8",
];

/// Values of which the first come often and the last seldom.
pub(super) struct Pool<T>(Vec<T>);

impl<T> Pool<T> {
    pub(super) fn new(len: usize, make: impl FnMut() -> T) -> Self {
        Self(std::iter::repeat_with(make).take(len).collect())
    }

    pub(super) fn pick(&self, rng: &mut Rng) -> &T {
        // The square of an even distribution: the first tenth has a third of all.
        let len = self.0.len() as u64;
        let within = rng.below(len) * (rng.below(len) + 1) / len;
        &self.0[within as usize]
    }
}

/// What one program on one machine speaks of.
pub(super) struct Fields {
    pub(super) addresses: Pool<String>,
    pub(super) processes: Pool<u64>,
    pub(super) users: Pool<String>,
    pub(super) hosts: Pool<String>,
    pub(super) names: Pool<&'static str>,
    pub(super) words: Pool<&'static str>,
    pub(super) paths: Pool<String>,
    pub(super) urls: Pool<String>,
    pub(super) sentences: Pool<String>,
    pub(super) agents: Pool<&'static str>,
    pub(super) ids: Pool<String>,
}

impl Fields {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let network = format!("{}.{}", 10 + rng.below(180), rng.below(256));
        let word = |rng: &mut Rng| *rng.pick(&WORDS);
        Self {
            addresses: Pool::new(30, || match rng.below(3) {
                0 => [(); 4].map(|()| rng.below(256).to_string()).join("."),
                _ => format!("{network}.{}.{}", rng.below(8), rng.below(256)),
            }),
            processes: Pool::new(25, || rng.below(65_536)),
            users: Pool::new(12, || format!("{}{}", word(rng), rng.below(40))),
            hosts: Pool::new(6, || format!("{}-{}", word(rng), rng.below(30))),
            names: Pool::new(8, || word(rng)),
            words: Pool::new(40, || word(rng)),
            paths: Pool::new(50, || path(rng)),
            urls: Pool::new(60, || url(rng)),
            sentences: Pool::new(40, || sentence(rng)),
            agents: Pool::new(5, || *rng.pick(&AGENTS)),
            ids: Pool::new(40, || uuid(rng)),
        }
    }
}

fn path(rng: &mut Rng) -> String {
    let mut path =
        (*rng.pick(&["/usr/lib", "/var/lib", "/opt", "/etc", "/home", "drivers"])).to_owned();
    for _ in 0..=rng.below(3) {
        path.push('/');
        path.push_str(rng.pick::<&str>(&WORDS));
    }
    path
}

fn url(rng: &mut Rng) -> String {
    let mut url = String::new();
    for _ in 0..=rng.below(4) {
        url.push('/');
        url.push_str(rng.pick::<&str>(&WORDS));
    }
    match rng.below(4) {
        0 => format!("{url}/{}", rng.below(100_000)),
        1 => format!("{url}?{}={}&page={}", rng.pick(&WORDS), rng.pick(&WORDS), rng.below(50)),
        _ => url,
    }
}

fn sentence(rng: &mut Rng) -> String {
    let mut sentence = format!("{} {}", rng.pick(&WORDS), rng.pick(&VERBS));
    for _ in 0..rng.below(4) {
        sentence = format!("{sentence} {} {}", rng.pick(&JOINTS), rng.pick(&WORDS));
    }
    sentence
}

pub(super) fn uuid(rng: &mut Rng) -> String {
    [8, 4, 4, 4, 12].map(|digits| rng.hex(digits)).join("-")
}
