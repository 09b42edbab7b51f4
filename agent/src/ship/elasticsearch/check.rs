//! `sluice check`: is the output there, and does it let us in?

use super::client::{Client, ClientError};
use super::settings::{Auth, ElasticsearchSettings};
use super::wire;
use crate::ship::version::ServerVersion;
use crate::ship::{Counters, Request, RequestId, RequestKind, TransportFault};

/// Which server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    pub host: String,
    /// Version and number, unless the server keeps them from us.
    pub version: Option<(ServerVersion, String)>,
}

/// Each message names the thing, the place, and the way out.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot reach {host}: {text}; is the address right, and is the server up?")]
    Unreachable { host: String, text: String },
    #[error(
        "no trusted TLS connection to {host}: {text}; tls.ca_file names the authority that signed \
         the server's certificate"
    )]
    Tls { host: String, text: String },
    #[error("{host} wants credentials and none are configured; set auth")]
    NoCredentials { host: String },
    #[error("{host} does not accept the configured credentials (401); check auth and its files")]
    WrongCredentials { host: String },
    #[error("{host} answers {status} instead of its version: {start:?}; is it Elasticsearch?")]
    NotElasticsearch { host: String, status: u16, start: String },
}

/// Asks each host who it is; gives the first that answers well, or else the first error.
pub async fn check(settings: &ElasticsearchSettings) -> Result<ServerInfo, CheckError> {
    let client = Client::load(settings)?;
    let mut first = None;
    for host in 0..client.hosts.len() {
        match ask(&client, settings, host).await {
            Ok(info) => return Ok(info),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    let none = || {
        let why = "the list of hosts is empty".to_owned();
        CheckError::Client(ClientError::Host { host: String::new(), why })
    };
    Err(first.unwrap_or_else(none))
}

async fn ask(
    client: &Client,
    settings: &ElasticsearchSettings,
    at: usize,
) -> Result<ServerInfo, CheckError> {
    let host = client.hosts[at].clone();
    let request = Request { id: RequestId(0), host: at, kind: RequestKind::Probe };
    let answer = match wire::send(client, settings, &Counters::default(), request).await {
        Ok(answer) => answer,
        Err(error) if error.fault == TransportFault::Tls => {
            return Err(CheckError::Tls { host, text: error.text });
        }
        Err(error) => return Err(CheckError::Unreachable { host, text: error.text }),
    };
    match answer.status {
        200..=299 => match ServerVersion::parse(&answer.body) {
            Some(version) => Ok(ServerInfo { host, version: Some(version) }),
            None => Err(not_elasticsearch(host, answer.status, &answer.body)),
        },
        401 if matches!(settings.auth, Auth::None) => Err(CheckError::NoCredentials { host }),
        401 => Err(CheckError::WrongCredentials { host }),
        // Known, and without the right to see the cluster; writing may still be allowed.
        403 => Ok(ServerInfo { host, version: None }),
        status => Err(not_elasticsearch(host, status, &answer.body)),
    }
}

fn not_elasticsearch(host: String, status: u16, body: &[u8]) -> CheckError {
    let start = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
    CheckError::NotElasticsearch { host, status, start }
}
