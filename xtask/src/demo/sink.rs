//! Where the documents go: the stand-in in this process, or a real server.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use sluice_bench::http::Client;
use sluice_bench::standin::{Keep, Snapshot, Standin, StandinConfig};
use sluice_bench::verify::{self, Received};

use crate::server::{Family, Release, Server};

const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Sink {
    place: Place,
    target: String,
}

enum Place {
    Standin(Standin),
    /// A server that is there, or one that we started and end.
    Server {
        url: String,
        _started: Option<Server>,
    },
}

impl Sink {
    pub(super) fn open(elasticsearch: Option<&str>) -> Result<Self> {
        let place = match elasticsearch {
            None => {
                // Ids and not documents: a demo of an hour must fit into memory.
                let config = StandinConfig { keep: Keep::Ids, ..StandinConfig::default() };
                Place::Standin(Standin::start(config).context("cannot start the stand-in")?)
            }
            Some(url) if url.starts_with("http://") => {
                Place::Server { url: url.trim_end_matches('/').to_owned(), _started: None }
            }
            Some(url) if url.contains("://") => {
                bail!("{url}: the demo reads documents back over plain http:// only")
            }
            Some(version) => {
                let release = Release::parse(Family::Elasticsearch, version)?;
                let server = Server::start(&release, &[])?;
                println!("Elasticsearch {} answers at {}", server.version, server.url);
                Place::Server { url: server.url.clone(), _started: Some(server) }
            }
        };
        // Of its own: what an earlier demo or anybody else left in the server must not count.
        let target = format!("sluice-demo-{}", std::process::id());
        let sink = Self { place, target };
        sink.documents()?;
        Ok(sink)
    }

    pub(super) fn url(&self) -> String {
        match &self.place {
            Place::Standin(standin) => standin.url(),
            Place::Server { url, .. } => url.clone(),
        }
    }

    /// Of the indices, before their date.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// Where a person may look at the documents afterwards.
    pub(super) fn address(&self) -> Option<String> {
        match &self.place {
            Place::Server { url, _started: None } => Some(format!("{url}/{}-*", self.target)),
            _ => None,
        }
    }

    pub(super) fn documents(&self) -> Result<u64> {
        match &self.place {
            Place::Standin(standin) => Ok(standin.count()),
            Place::Server { url, .. } => {
                let mut client = Client::connect(url)?;
                client.set_timeout(Some(TIMEOUT))?;
                let path = format!("/{}-*/_count?ignore_unavailable=true", self.target);
                let answer = client.request("GET", &path, &[], &[])?;
                if answer.status == 503 || answer.status == 404 {
                    // Shards of a fresh index that have not started yet.
                    return Ok(0);
                }
                let count = answer.json()?["count"].as_u64();
                count.with_context(|| format!("no count in what {url} answers: {}", answer.text()))
            }
        }
    }

    pub(super) fn received(&self) -> Result<Received> {
        match &self.place {
            Place::Standin(standin) => Ok(standin.received()),
            Place::Server { url, .. } => verify::from_url(url, &format!("{}-*", self.target)),
        }
    }

    /// What the wire showed; a real server does not tell.
    pub(super) fn traffic(&self) -> Option<Snapshot> {
        match &self.place {
            Place::Standin(standin) => Some(standin.snapshot()),
            Place::Server { .. } => None,
        }
    }
}
