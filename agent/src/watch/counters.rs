use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::rung::RungName;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RungLabel {
    pub rung: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct MissedLabel {
    pub rung: &'static str,
    /// Where the file system is mounted.
    pub mount: String,
}

/// What the watcher counts; clones share the figures.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    pub news: Family<RungLabel, Counter>,
    pub missed: Family<MissedLabel, Counter>,
    pub followed: Family<RungLabel, Gauge>,
    pub overflows: Counter,
    pub limited: Counter,
    pub sightings: Counter,
    pub early_opened: Counter,
    pub wakeups: Counter,
    pub swept: Counter,
    pub watches: Gauge,
}

impl Counters {
    /// Names each figure in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("watch_news", "News passed to workers", self.news.clone());
        registry.register(
            "watch_missed",
            "Changes that only the sweep found and the file's rung should have announced",
            self.missed.clone(),
        );
        registry.register("watch_followed", "Followed logs by rung", self.followed.clone());
        registry.register(
            "watch_overflows",
            "Overflows of the kernel's event queue, each answered by looking at everything",
            self.overflows.clone(),
        );
        registry.register(
            "watch_limited",
            "Directories left to the sweep because a kernel limit was reached",
            self.limited.clone(),
        );
        registry.register(
            "watch_sightings",
            "Containers' directories that the watcher reported to discovery",
            self.sightings.clone(),
        );
        registry.register(
            "watch_early_opened",
            "Log files opened the moment they appeared",
            self.early_opened.clone(),
        );
        registry.register("watch_wakeups", "Times the watcher woke", self.wakeups.clone());
        registry.register("watch_swept", "Files looked at by the sweep", self.swept.clone());
        registry.register("watch_watches", "Directories watched by inotify", self.watches.clone());
    }

    pub(super) fn count_news(&self, rung: RungName) {
        self.news.get_or_create(&RungLabel { rung: rung.as_str() }).inc();
    }

    pub(super) fn count_missed(&self, rung: RungName, mount: &str) {
        let label = MissedLabel { rung: rung.as_str(), mount: mount.to_owned() };
        self.missed.get_or_create(&label).inc();
    }

    pub(super) fn set_followed(&self, rung: RungName, count: usize) {
        self.followed.get_or_create(&RungLabel { rung: rung.as_str() }).set(count as i64);
    }
}
