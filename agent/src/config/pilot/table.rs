//! Every variable of log-pilot, and what becomes of it here. The page `docs/log-pilot.md` is made
//! of this table, and so is what is applied and checked.

use super::outputs;
use super::takes::Takes;

/// One variable of log-pilot's environment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    pub(super) effect: Effect,
    /// What it means to log-pilot, with its default.
    pub(super) about: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Becomes this key. Of several variables for one key the first of the table counts.
    Key(&'static str),
    /// Honoured, in a way that words say better.
    Honoured(&'static str),
    /// Accepted without effect, because.
    Nothing(&'static str),
    /// Not done, and said at start with what to do.
    Warned(&'static str),
    /// Of an output that is refused by name; without it, it is asked for first.
    Required,
    /// Of an output that is refused by name; checked if it is set.
    Checked,
}

/// Variables that belong together.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) variables: &'static [Variable],
}

pub(super) const fn variable(
    name: &'static str,
    takes: Takes,
    effect: Effect,
    about: &'static str,
) -> Variable {
    Variable { name, takes, effect, about }
}

/// All of them, as the page shows them.
pub(super) fn groups() -> impl Iterator<Item = &'static Group> {
    [&COMMON, &ELASTICSEARCH, &FLUENTD, &FILEBEAT, &CONSOLE].into_iter().chain(outputs::groups())
}

pub(super) const COMMON: Group = Group {
    title: "The collector",
    variables: &[
        variable(
            "PILOT_TYPE",
            Takes::Text,
            Effect::Honoured("chooses the profile; anything but the two is an error"),
            "`fluentd` or `filebeat`; set in the images",
        ),
        variable(
            "LOGGING_OUTPUT",
            Takes::Text,
            Effect::Honoured("chooses the output; an unknown one is the console, with a warning"),
            "the output; default the console",
        ),
        variable(
            "FLUENTD_OUTPUT",
            Takes::Text,
            Effect::Honoured("goes before `LOGGING_OUTPUT` in the profile fluentd"),
            "the output of the fluentd image",
        ),
        variable(
            "FILEBEAT_OUTPUT",
            Takes::Text,
            Effect::Honoured("goes before `LOGGING_OUTPUT` in the profile filebeat"),
            "the output of the Filebeat image",
        ),
        variable(
            "PILOT_LOG_PREFIX",
            Takes::Text,
            Effect::Key("declare.prefixes"),
            "prefixes of declarations; takes the place of the default `aliyun`",
        ),
        variable(
            "PILOT_CREATE_SYMLINK",
            Takes::Switch,
            Effect::Warned(
                "sluice writes nothing to the host; `sluice containers` shows where each log is",
            ),
            "links to volumes below `/host/acs/log`",
        ),
        variable(
            "NODE_NAME",
            Takes::Text,
            Effect::Honoured("is what `node: auto` takes first"),
            "`k8s_node_name` of each document",
        ),
        variable(
            "DOCKER_HOST",
            Takes::Text,
            Effect::Honoured("becomes `docker.socket` if it is a Unix socket, else a warning"),
            "the engine; default `unix:///var/run/docker.sock`",
        ),
        variable(
            "DOCKER_API_VERSION",
            Takes::Text,
            Effect::Nothing("the version is agreed on with the engine"),
            "default `1.23`",
        ),
        variable(
            "DOCKER_TLS_VERIFY",
            Takes::Text,
            Effect::Nothing("the engine is asked over its Unix socket only"),
            "TLS to the engine",
        ),
        variable(
            "DOCKER_CERT_PATH",
            Takes::Text,
            Effect::Nothing("the engine is asked over its Unix socket only"),
            "certificates for the engine",
        ),
        variable(
            "TZ",
            Takes::Text,
            Effect::Honoured("is the zone `local`, before `/etc/localtime`"),
            "the zone of index names in the fluentd image",
        ),
    ],
};

pub(super) const ELASTICSEARCH: Group = Group {
    title: "Output `elasticsearch`",
    variables: &[
        variable(
            "ELASTICSEARCH_HOSTS",
            Takes::Text,
            Effect::Key("output.elasticsearch.hosts"),
            "list of `host:port` or URLs; goes before the next two",
        ),
        variable(
            "ELASTICSEARCH_HOST",
            Takes::Text,
            Effect::Key("output.elasticsearch.hosts"),
            "required without `ELASTICSEARCH_HOSTS`",
        ),
        variable(
            "ELASTICSEARCH_PORT",
            Takes::Port,
            Effect::Key("output.elasticsearch.hosts"),
            "required without `ELASTICSEARCH_HOSTS`",
        ),
        variable(
            "ELASTICSEARCH_SCHEME",
            Takes::Word(&[("http", "http"), ("https", "https")]),
            Effect::Key("output.elasticsearch.hosts"),
            "`http` or `https`; default `http`",
        ),
        variable(
            "ELASTICSEARCH_PATH",
            Takes::Text,
            Effect::Key("output.elasticsearch.hosts"),
            "path before each request's",
        ),
        variable(
            "ELASTICSEARCH_USER",
            Takes::Text,
            Effect::Key("output.elasticsearch.user"),
            "after the file `/run/secrets/es_credential` and a URL's own",
        ),
        variable(
            "ELASTICSEARCH_PASSWORD",
            Takes::Text,
            Effect::Key("output.elasticsearch.password"),
            "after the file `/run/secrets/es_credential` and a URL's own",
        ),
        variable(
            "ELASTICSEARCH_SSL_VERIFY",
            Takes::Word(&[
                ("true", "full"),
                ("yes", "full"),
                ("1", "full"),
                ("false", "none"),
                ("no", "none"),
                ("0", "none"),
            ]),
            Effect::Key("output.elasticsearch.verify"),
            "default `true`; only of the fluentd image, here of both",
        ),
        variable(
            "ELASTICSEARCH_WORKER",
            Takes::Count,
            Effect::Key("output.elasticsearch.requests_in_flight_max"),
            "requests at a time of the Filebeat image",
        ),
        variable(
            "ELASTICSEARCH_BULK_MAX_SIZE",
            Takes::Number,
            Effect::Nothing("a batch is measured in bytes, by `batch.bytes`"),
            "documents of one request of the Filebeat image",
        ),
        variable(
            "ELASTICSEARCH_INDEX",
            Takes::Text,
            Effect::Nothing("each log's own name or target is its index"),
            "index of what has none of its own in the Filebeat image",
        ),
    ],
};

/// Fluentd's, in which the names of old come before those that the image had in the wrong place.
pub(super) const FLUENTD: Group = Group {
    title: "Profile fluentd",
    variables: &[
        variable(
            "FLUENTD_BUFFER_CHUNK_LIMIT",
            Takes::Batch,
            Effect::Key("batch.bytes"),
            "default `8m`",
        ),
        variable(
            "FLUENTD_BUFFER_CHUNK_LIMIT_SIZE",
            Takes::Batch,
            Effect::Key("batch.bytes"),
            "without effect in log-pilot",
        ),
        variable(
            "FLUENTD_FLUSH_INTERVAL",
            Takes::Time,
            Effect::Key("batch.flush_interval"),
            "default `60s`; sluice's own is 250ms",
        ),
        variable(
            "FLUENTD_FLUSH_MODE",
            Takes::Word(&[("immediate", "0s"), ("interval", ""), ("lazy", ""), ("default", "")]),
            Effect::Key("batch.flush_interval"),
            "without effect in log-pilot; here `immediate` is an interval of nothing",
        ),
        variable(
            "FLUENTD_NUM_THREADS",
            Takes::Count,
            Effect::Key("output.elasticsearch.requests_in_flight_max"),
            "requests at a time",
        ),
        variable(
            "FLUENTD_FLUSH_THREAD_COUNT",
            Takes::Count,
            Effect::Key("output.elasticsearch.requests_in_flight_max"),
            "without effect in log-pilot",
        ),
        variable("FLUENTD_WORKER", Takes::Count, Effect::Key("workers"), "default 1"),
        variable(
            "FLUENTD_LOG_LEVEL",
            Takes::Word(&[
                ("fatal", "error"),
                ("error", "error"),
                ("warn", "warn"),
                ("info", "info"),
                ("debug", "debug"),
                ("trace", "trace"),
            ]),
            Effect::Key("log.level"),
            "without effect in released images",
        ),
        variable(
            "FLUENTD_ENABLE_MONITOR",
            Takes::Word(&[("true", "0.0.0.0:24220"), ("false", "")]),
            Effect::Key("http.listen"),
            "`true`: a monitor at port 24220; here `/metrics` and its neighbours",
        ),
        variable(
            "FLUENTD_BUFFER_TYPE",
            Takes::Text,
            Effect::Nothing("the log file is the buffer"),
            "`memory` or `file`",
        ),
        variable(
            "FLUENTD_BUFFER_QUEUE_LIMIT",
            Takes::Number,
            Effect::Nothing("what is not sent stays in its file"),
            "chunks in memory",
        ),
        variable(
            "FLUENTD_BUFFER_TOTAL_LIMIT_SIZE",
            Takes::Text,
            Effect::Nothing("what is not sent stays in its file"),
            "without effect in log-pilot",
        ),
        variable(
            "FLUENTD_BUFFER_CHUNK_FULL_THRESHOLD",
            Takes::Text,
            Effect::Nothing("a batch is full at `batch.bytes`"),
            "without effect in log-pilot",
        ),
        variable(
            "FLUENTD_BUFFER_COMPRESS",
            Takes::Text,
            Effect::Nothing("nothing is buffered; requests are compressed"),
            "without effect in log-pilot",
        ),
        variable(
            "FLUENTD_FLUSH_AT_SHUTDOWN",
            Takes::Text,
            Effect::Nothing("what was read is delivered at the end, within `shutdown_timeout`"),
            "",
        ),
        variable(
            "FLUENTD_DISABLE_RETRY_LIMIT",
            Takes::Text,
            Effect::Nothing("nothing is given up while a server is away"),
            "",
        ),
        variable(
            "FLUENTD_RETRY_LIMIT",
            Takes::Number,
            Effect::Nothing("nothing is given up while a server is away"),
            "default 17, after which logs are dropped",
        ),
        variable(
            "FLUENTD_RETRY_WAIT",
            Takes::Text,
            Effect::Nothing("waits grow and are spread by themselves"),
            "without effect in log-pilot",
        ),
        variable(
            "FLUENTD_MAX_RETRY_WAIT",
            Takes::Text,
            Effect::Nothing("waits grow and are spread by themselves"),
            "",
        ),
    ],
};

pub(super) const FILEBEAT: Group = Group {
    title: "Profile filebeat",
    variables: &[
        variable(
            "FILEBEAT_SHUTDOWN_TIMEOUT",
            Takes::Time,
            Effect::Key("shutdown_timeout"),
            "default 0, which loses what is queued; 0 leaves sluice its own 20s",
        ),
        variable(
            "FILEBEAT_LOG_LEVEL",
            Takes::Word(&[
                ("critical", "error"),
                ("error", "error"),
                ("warning", "warn"),
                ("warn", "warn"),
                ("info", "info"),
                ("debug", "debug"),
            ]),
            Effect::Key("log.level"),
            "default `info`",
        ),
        variable("FILEBEAT_MAX_PROCS", Takes::Count, Effect::Key("workers"), "default all cores"),
        variable(
            "FILEBEAT_INDEX",
            Takes::Text,
            Effect::Nothing("sluice makes no index template"),
            "name of the index template; default `filebeat`",
        ),
        variable(
            "FILEBEAT_METRICS_ENABLED",
            Takes::Text,
            Effect::Nothing("metrics are at `http.listen`, not in the log"),
            "default `false`",
        ),
        variable(
            "FILEBEAT_LOG_MAX_SIZE",
            Takes::Text,
            Effect::Nothing("the agent's own log goes to standard error"),
            "default 100 MB",
        ),
        variable(
            "FILEBEAT_LOG_MAX_FILE",
            Takes::Text,
            Effect::Nothing("the agent's own log goes to standard error"),
            "default 10",
        ),
        variable(
            "FILEBEAT_LOG_PERMISSION",
            Takes::Text,
            Effect::Nothing("the agent's own log goes to standard error"),
            "default `0600`",
        ),
    ],
};

pub(super) const CONSOLE: Group = Group {
    title: "Output console",
    variables: &[variable(
        "CONSOLE_PRETTY",
        Takes::Switch,
        Effect::Nothing("a document is one line, so that programs can read it"),
        "default `false`",
    )],
};
