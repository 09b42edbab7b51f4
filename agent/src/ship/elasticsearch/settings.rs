//! What the driver has to be told. Made by the config room.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::ship::ShipSettings;
use crate::ship::dead_letters::DeadLetterSettings;

#[derive(Clone, Debug)]
pub struct ElasticsearchSettings {
    /// `https://name:9200`, with a path if a proxy wants one. At least one.
    pub hosts: Vec<String>,
    /// `hosts` in here is filled in at the start.
    pub ship: ShipSettings,
    /// Places for batches: workers times `BATCHES_IN_FLIGHT_MAX`.
    pub batches_in_flight_max: usize,
    pub auth: Auth,
    pub tls: TlsSettings,
    /// The type that documents get in Elasticsearch 6, which has types.
    pub type_name: String,
    /// An ingest pipeline for all documents.
    pub pipeline: Option<String>,
    /// For name lookup, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the first byte of a request to the head of its answer.
    pub request_timeout: Duration,
    /// From the head of an answer to its end.
    pub answer_timeout: Duration,
    /// Larger answers are not read. An item without failure is 26 bytes, one with about 300.
    pub answer_bytes_max: usize,
    pub dead_letters: DeadLetterSettings,
    /// For the spread of waits; different on each node.
    pub seed: u64,
}

/// How the agent says who it is.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    #[default]
    None,
    Basic {
        user: Secret,
        password: Secret,
    },
    /// `id:key`, or that in base64 as the server gives it.
    ApiKey(Secret),
    Bearer(Secret),
}

/// A value, or a file that is read again when it changes and when the server says 401.
#[derive(Clone)]
pub enum Secret {
    Value(String),
    /// Surrounding white space is dropped.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => out.write_str("Value(…)"),
            Self::File(path) => write!(out, "File({})", path.display()),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct TlsSettings {
    pub roots: Roots,
    pub client: Option<ClientCertificate>,
    pub verification: Verification,
}

/// Which authorities may vouch for a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    #[default]
    System,
    /// Those of the system and those of a PEM file.
    SystemAnd(PathBuf),
    /// Those of a PEM file alone.
    Only(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM, the certificate first and then its chain.
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    #[default]
    Full,
    /// Anybody in between can read and answer. Said aloud at each start.
    None,
}

impl ElasticsearchSettings {
    /// All defaults, for these hosts and this place for dead letters.
    pub fn new(hosts: Vec<String>, dead_letters: DeadLetterSettings) -> Self {
        Self {
            ship: ShipSettings { hosts: hosts.len(), ..ShipSettings::default() },
            hosts,
            batches_in_flight_max: 64,
            auth: Auth::None,
            tls: TlsSettings::default(),
            type_name: "_doc".to_owned(),
            pipeline: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(90),
            answer_timeout: Duration::from_secs(30),
            answer_bytes_max: 64 << 20,
            dead_letters,
            seed: 0,
        }
    }
}
