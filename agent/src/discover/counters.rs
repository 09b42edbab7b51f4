use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What discovery counts; clones share the figures.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Containers known now.
    pub containers: Gauge,
    /// 1 while the event stream of the API is open.
    pub api_up: Gauge,
    pub api_connects: Counter,
    pub api_errors: Counter,
    pub api_lists: Counter,
    pub events: Counter,
    pub directory_lists: Counter,
    pub config_unreadable: Counter,
}

impl Counters {
    /// Names each figure in `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        counter("discover_api_connects", "Connections to the runtime's API", &self.api_connects);
        counter("discover_api_errors", "Failed requests to the runtime's API", &self.api_errors);
        counter("discover_api_lists", "Full lists taken from the API", &self.api_lists);
        counter("discover_events", "Events of the API, each only a hint", &self.events);
        counter(
            "discover_directory_lists",
            "Listings of containers directories",
            &self.directory_lists,
        );
        counter(
            "discover_config_unreadable",
            "Container descriptions on disk that could not be read or parsed",
            &self.config_unreadable,
        );
        registry.register("discover_containers", "Containers known", self.containers.clone());
        registry.register(
            "discover_api_up",
            "1 while the API's events are open",
            self.api_up.clone(),
        );
    }
}
