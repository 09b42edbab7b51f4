//! The outputs of log-pilot. What sluice does not have is refused by name, after its variables
//! have been checked as log-pilot does.

use super::table::{CONSOLE, ELASTICSEARCH, Effect, Group, Variable, variable};
use super::takes::Takes;

/// Where log-pilot can send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    Console,
    Elasticsearch,
    /// One that sluice has not, with its name.
    Absent(&'static str),
}

impl Chosen {
    /// By either image: `graylog` is only of one of them, and means the same in the other.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "console" | "stdout" => Some(Self::Console),
            "elasticsearch" => Some(Self::Elasticsearch),
            other => ABSENT.iter().find(|it| it.0 == other).map(|it| Self::Absent(it.0)),
        }
    }

    pub(super) fn variables(self) -> &'static [Variable] {
        match self {
            Self::Console => CONSOLE.variables,
            Self::Elasticsearch => ELASTICSEARCH.variables,
            Self::Absent(name) => {
                let group = ABSENT.iter().find(|it| it.0 == name).and_then(|it| it.1);
                group.map_or(&[], |group| group.variables)
            }
        }
    }
}

pub(super) const ABSENT: [(&str, Option<&Group>); 10] = [
    ("kafka", Some(&KAFKA)),
    ("file", Some(&FILE)),
    ("graylog", Some(&GRAYLOG)),
    ("aliyun_sls", Some(&ALIYUN_SLS)),
    ("syslog", Some(&SYSLOG)),
    ("logstash", Some(&LOGSTASH)),
    ("redis", Some(&REDIS)),
    ("null", None),
    ("flowcounter", None),
    ("count", None),
];

pub(super) fn groups() -> impl Iterator<Item = &'static Group> {
    ABSENT.iter().filter_map(|it| it.1)
}

/// `id:secret`, in place of two variables.
pub(super) const SLS_SECRET: &str = "/run/secrets/aliyun_access_key";
pub(super) const SLS_SECRET_VARIABLES: [&str; 2] =
    ["ALIYUNSLS_ACCESS_KEY_ID", "ALIYUNSLS_ACCESS_KEY_SECRET"];

const fn needs(name: &'static str, takes: Takes, about: &'static str) -> Variable {
    variable(name, takes, Effect::Required, about)
}

const fn may(name: &'static str, takes: Takes, about: &'static str) -> Variable {
    variable(name, takes, Effect::Checked, about)
}

const KAFKA: Group = Group {
    title: "Output `kafka`",
    variables: &[
        needs("KAFKA_BROKERS", Takes::List, "list of `host:port`"),
        may("KAFKA_DEFAULT_TOPIC", Takes::Text, "never applied in log-pilot: there is always one"),
        may("KAFKA_DEFAULT_PARTITION_KEY", Takes::Text, "without effect in log-pilot"),
        may("KAFKA_DEFAULT_MESSAGE_KEY", Takes::Text, "without effect in log-pilot"),
        may(
            "KAFKA_OUTPUT_DATA_TYPE",
            Takes::Word(&[("json", "json"), ("ltsv", "ltsv"), ("msgpack", "msgpack")]),
            "default `json`",
        ),
        may("KAFKA_OUTPUT_INCLUDE_TAG", Takes::Switch, ""),
        may("KAFKA_OUTPUT_INCLUDE_TIME", Takes::Switch, ""),
        may("KAFKA_EXCLUDE_TOPIC_KEY", Takes::Switch, ""),
        may("KAFKA_EXCLUDE_PARTITION_KEY", Takes::Switch, ""),
        may("KAFKA_GET_KAFKA_CLIENT_LOG", Takes::Switch, ""),
        may("KAFKA_MAX_SEND_RETRIES", Takes::Number, ""),
        may("KAFKA_REQUIRED_ACKS", Takes::Acks, "default -1; the fluentd image's spelling"),
        may("KAFKA_REQUIRE_ACKS", Takes::Acks, "default 1; the Filebeat image's spelling"),
        may("KAFKA_ACK_TIMEOUT", Takes::Number, ""),
        may("KAFKA_COMPRESSION_CODEC", Takes::Text, ""),
        may("KAFKA_KAFKA_AGG_MAX_BYTES", Takes::Number, ""),
        may("KAFKA_KAFKA_AGG_MAX_MESSAGES", Takes::Number, ""),
        may("KAFKA_MAX_SEND_LIMIT_BYTES", Takes::Number, ""),
        may("KAFKA_DISCARD_KAFKA_DELIVERY_FAILED", Takes::Switch, ""),
        may("KAFKA_USERNAME", Takes::Text, "SASL/PLAIN of the Filebeat image"),
        may("KAFKA_PASSWORD", Takes::Text, "SASL/PLAIN of the Filebeat image"),
        may("KAFKA_VERSION", Takes::Text, ""),
        may("KAFKA_WORKER", Takes::Number, ""),
        may("KAFKA_PARTITION_KEY", Takes::Text, ""),
        may("KAFKA_PARTITION", Takes::Text, ""),
        may("KAFKA_CLIENT_ID", Takes::Text, "default `beats`"),
        may("KAFKA_METADATA", Takes::Text, ""),
        may("KAFKA_BULK_MAX_SIZE", Takes::Number, ""),
        may("KAFKA_BROKER_TIMEOUT", Takes::Time, "default 30"),
        may("KAFKA_CHANNEL_BUFFER_SIZE", Takes::Number, ""),
        may("KAFKA_KEEP_ALIVE", Takes::Time, "breaks log-pilot's configuration"),
        may("KAFKA_MAX_MESSAGE_BYTES", Takes::Number, ""),
    ],
};

const FILE: Group = Group {
    title: "Output `file`",
    variables: &[
        needs("FILE_PATH", Takes::Text, "directory in the collector's container"),
        may("FILE_FORMAT", Takes::Text, "default `json`"),
        may("FILE_COMPRESS", Takes::Text, ""),
        may("FILE_APPEND", Takes::Switch, "default `true`"),
        may("FILE_BUFFER_TYPE", Takes::Text, "default `file`"),
        may("FILE_BUFFER_TIME_KEY", Takes::Time, "default `1d`"),
        may("FILE_BUFFER_TIME_KEY_WAIT", Takes::Time, "default `5m`"),
        may("FILE_BUFFER_TIME_KEY_USE_UTC", Takes::Switch, "default `false`"),
        may("FILE_NAME", Takes::Text, "default `filebeat`"),
        may("FILE_ROTATE_SIZE", Takes::Number, "KB, default 10240"),
        may("FILE_NUMBER_OF_FILES", Takes::Number, "default 7"),
        may("FILE_PERMISSIONS", Takes::Number, "default `0600`"),
    ],
};

const GRAYLOG: Group = Group {
    title: "Output `graylog`",
    variables: &[
        needs("GRAYLOG_HOST", Takes::Text, ""),
        needs("GRAYLOG_PORT", Takes::Port, ""),
        may("GRAYLOG_PROTOCOL", Takes::Word(&[("udp", "udp"), ("tcp", "tcp")]), "default `udp`"),
    ],
};

const ALIYUN_SLS: Group = Group {
    title: "Output `aliyun_sls`",
    variables: &[
        needs("ALIYUNSLS_PROJECT", Takes::Text, ""),
        needs("ALIYUNSLS_REGION_ENDPOINT", Takes::Text, ""),
        needs("ALIYUNSLS_ACCESS_KEY_ID", Takes::Text, "or in `/run/secrets/aliyun_access_key`"),
        needs("ALIYUNSLS_ACCESS_KEY_SECRET", Takes::Text, "or in the same file"),
        may("SSL_VERIFY", Takes::Switch, "default `false`; in fact whether HTTPS is used"),
        may("ALIYUNSLS_NEED_CREATE_LOGSTORE", Takes::Switch, "default `false`"),
        may("ALIYUNSLS_CREATE_LOGSTORE_TTL", Takes::Number, "days, default 1"),
        may("ALIYUNSLS_CREATE_LOGSTORE_SHARD_COUNT", Takes::Number, "default 2"),
    ],
};

const SYSLOG: Group = Group {
    title: "Output `syslog`",
    variables: &[
        needs("SYSLOG_HOST", Takes::Text, ""),
        needs("SYSLOG_PORT", Takes::Port, ""),
        may("SYSLOG_FACILITY", Takes::Text, ""),
        may("SYSLOG_SEVERITY", Takes::Text, "sets the facility in log-pilot"),
        may("SYSLOG_TAG", Takes::Text, "default `fluentd-pilot`"),
    ],
};

const LOGSTASH: Group = Group {
    title: "Output `logstash`",
    variables: &[
        needs("LOGSTASH_HOST", Takes::Text, ""),
        needs("LOGSTASH_PORT", Takes::Port, ""),
        may("LOGSTASH_WORKER", Takes::Number, ""),
        may("LOGSTASH_LOADBALANCE", Takes::Switch, ""),
        may("LOGSTASH_BULK_MAX_SIZE", Takes::Number, ""),
        may("LOGSTASH_SLOW_START", Takes::Switch, ""),
    ],
};

const REDIS: Group = Group {
    title: "Output `redis`",
    variables: &[
        needs("REDIS_HOST", Takes::Text, ""),
        needs("REDIS_PORT", Takes::Port, ""),
        may("REDIS_PASSWORD", Takes::Text, ""),
        may("REDIS_DATATYPE", Takes::Word(&[("list", "list"), ("channel", "channel")]), ""),
        may("REDIS_TIMEOUT", Takes::Time, "default 5"),
        may("REDIS_WORKER", Takes::Number, ""),
        may("REDIS_LOADBALANCE", Takes::Switch, ""),
        may("REDIS_BULK_MAX_SIZE", Takes::Number, ""),
    ],
};
