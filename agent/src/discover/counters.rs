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
    /// Looks at what the processes of containers hold open.
    pub opens_looks: Counter,
    /// Names that fanotify told, and times when it lost some.
    pub opens_hints: Counter,
    pub opens_hints_lost: Counter,
    /// Files of containers that were found to be logs.
    pub opens_found: Counter,
    /// Files that were passed over because a container, or the node, has too many.
    pub opens_too_many: Counter,
    /// Looks for the files of one declared log.
    pub file_looks: Counter,
    /// Declared logs whose files lie on a mount that the agent does not see.
    pub files_hidden: Gauge,
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
        counter("file_looks", "Looks for the files of one declared log", &self.file_looks);
        counter(
            "discover_opens_looks",
            "Looks at the files that processes in containers hold open",
            &self.opens_looks,
        );
        counter(
            "discover_opens_hints",
            "Names that were made or written on the file systems of containers",
            &self.opens_hints,
        );
        counter(
            "discover_opens_hints_lost",
            "Times when the kernel's queue of them ran over, which only costs time",
            &self.opens_hints_lost,
        );
        counter(
            "discover_opens_found",
            "Files in containers that were found to be logs",
            &self.opens_found,
        );
        counter(
            "discover_opens_too_many",
            "Times such a file was passed over because its container or the node has too many",
            &self.opens_too_many,
        );
        registry.register(
            "files_hidden",
            "Declared logs whose files lie on a mount of the host that the agent does not see",
            self.files_hidden.clone(),
        );
        registry.register("discover_containers", "Containers known", self.containers.clone());
        registry.register(
            "discover_api_up",
            "1 while the API's events are open",
            self.api_up.clone(),
        );
    }
}
