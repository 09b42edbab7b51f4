//! An Elasticsearch and `OpenSearch` stand-in, as strict as the real servers.
//!
//! takes: bulk requests, and the few reading requests that a log shipper and a verifier make
//! gives: the answers of one of seven releases, or the faults it was asked for
//! owns: its threads, the documents it took
//! never: is kinder than the servers: what they refuse it refuses
//!
//! What it imitates was recorded from real servers. It knows no mappings: a document that is an
//! object of valid JSON is taken, and errors of mappings come as faults only.

mod answer;
mod auth;
mod body;
mod bulk;
mod errors;
mod faults;
mod handle;
mod media;
mod meter;
mod reply;
mod search;
mod server;
mod store;
pub mod tls;
mod version;
mod write;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub use auth::Auth;
pub use faults::{Fault, Faults, Item, ItemError, ItemFault, Rule, RuleId, Scope, Stage, Which};
pub use meter::{RequestSeen, Snapshot};
pub use store::{Document, Keep};
pub use version::{Types, Version};

use crate::load::ledger::Ledger;
use crate::verify::{Received, Summary};
use meter::Meter;
use search::Scrolls;
use server::{Server, TlsSlot};
use store::Store;
use tls::TlsConfig;

/// `http.max_content_length` of the servers, in inflated bytes.
pub const MAX_CONTENT_LENGTH_DEFAULT: usize = 100 * 1024 * 1024;

#[derive(Clone, Debug)]
pub struct StandinConfig {
    /// 0: any free one. It listens on 127.0.0.1 only.
    pub port: u16,
    pub version: Version,
    pub keep: Keep,
    /// Inflated bytes of a body.
    pub max_content_length: usize,
    pub tls: Option<TlsConfig>,
    /// `None`: everybody may.
    pub auth: Option<Auth>,
}

impl Default for StandinConfig {
    fn default() -> Self {
        Self {
            port: 0,
            version: Version::Elasticsearch8,
            keep: Keep::default(),
            max_content_length: MAX_CONTENT_LENGTH_DEFAULT,
            tls: None,
            auth: None,
        }
    }
}

/// A running stand-in with its own threads. It ends when it is dropped; no call needs a runtime.
pub struct Standin {
    state: Arc<State>,
    tls: TlsSlot,
    addr: SocketAddr,
    /// `None` while it is down.
    server: Mutex<Option<Server>>,
    runtime: Option<Runtime>,
}

impl Standin {
    pub fn start(config: StandinConfig) -> anyhow::Result<Self> {
        let tls = config.tls.as_ref().map(TlsConfig::build).transpose()?;
        let tls = Arc::new(Mutex::new(tls));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("standin")
            .enable_all()
            .build()
            .context("runtime of the stand-in")?;
        let state = Arc::new(State {
            version: config.version,
            max_content_length: config.max_content_length,
            auth: Mutex::new(config.auth),
            faults: Faults::default(),
            gate: watch::Sender::new(Gate::Open),
            store: Mutex::new(Store::new(config.keep)),
            scrolls: Mutex::new(Scrolls::default()),
            meter: Meter::default(),
        });
        let server = Server::start(runtime.handle(), &state, &tls, config.port)
            .with_context(|| format!("port {}", config.port))?;
        let addr = server.addr;
        Ok(Self { state, tls, addr, server: Mutex::new(Some(server)), runtime: Some(runtime) })
    }

    /// With all defaults but the version.
    pub fn of_version(version: Version) -> anyhow::Result<Self> {
        Self::start(StandinConfig { version, ..StandinConfig::default() })
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT` with TLS.
    pub fn url(&self) -> String {
        if lock(&self.tls).is_some() {
            format!("https://localhost:{}", self.addr.port())
        } else {
            format!("http://{}", self.addr)
        }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn version(&self) -> Version {
        self.state.version
    }

    pub fn faults(&self) -> &Faults {
        &self.state.faults
    }

    /// Changes who may ask, from the next request on.
    pub fn set_auth(&self, auth: Option<Auth>) {
        *lock(&self.state.auth) = auth;
    }

    /// Changes what is shown to clients, from the next connection on.
    pub fn set_tls(&self, tls: &TlsConfig) -> anyhow::Result<()> {
        *lock(&self.tls) = Some(tls.build()?);
        Ok(())
    }

    /// Bulk requests are read and then wait, unanswered and unstored, until [`Self::release`].
    pub fn hold(&self) {
        self.state.gate.send_replace(Gate::Closed);
    }

    pub fn release(&self) {
        self.state.gate.send_replace(Gate::Open);
    }

    /// Closes the socket and all connections; documents, faults and port are kept.
    pub fn go_down(&self) {
        let server = lock(&self.server).take();
        if let Some(server) = server {
            server.stop(&self.state.meter);
        }
    }

    /// Listens again on the same port.
    pub fn come_up(&self) -> anyhow::Result<()> {
        let mut server = lock(&self.server);
        if server.is_none() {
            let runtime = self.runtime.as_ref().context("dropped")?;
            let port = self.addr.port();
            *server = Some(
                Server::start(runtime.handle(), &self.state, &self.tls, port)
                    .with_context(|| format!("port {port}"))?,
            );
        }
        Ok(())
    }

    /// All documents in the order in which they were stored; empty unless [`Keep::Documents`].
    pub fn documents(&self) -> Vec<Document> {
        self.state.store().documents().to_vec()
    }

    /// Documents stored.
    pub fn count(&self) -> u64 {
        self.state.store().count
    }

    /// Ids that were stored in more than one index.
    pub fn ids_seen_twice(&self) -> u64 {
        self.state.store().ids_seen_twice()
    }

    /// Items answered 409.
    pub fn conflicts(&self) -> u64 {
        self.snapshot().conflicts
    }

    pub fn snapshot(&self) -> Snapshot {
        self.state.meter.snapshot()
    }

    /// The last few thousand requests, oldest first, each noted when it ended.
    pub fn requests(&self) -> Vec<RequestSeen> {
        self.state.meter.seen()
    }

    /// Waits until the condition holds; false if it does not within the time.
    pub fn wait_for(&self, timeout: Duration, reached: impl Fn(&Snapshot) -> bool) -> bool {
        self.state.meter.wait(timeout, reached)
    }

    /// Waits until at least so many documents are stored; false if they are not within the time.
    pub fn wait_count(&self, documents: u64, timeout: Duration) -> bool {
        self.wait_for(timeout, |snapshot| snapshot.documents >= documents)
    }

    /// What arrived, by source and line; nothing with [`Keep::Counts`].
    pub fn received(&self) -> Received {
        self.state.store().received()
    }

    /// Compares what arrived with what was written.
    pub fn verify(&self, ledger: &Ledger) -> Summary {
        crate::verify::compare(ledger, &self.received())
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        // Not the plain drop: it would wait, and panic inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Closed,
}

/// What all connections share.
struct State {
    version: Version,
    max_content_length: usize,
    auth: Mutex<Option<Auth>>,
    faults: Faults,
    gate: watch::Sender<Gate>,
    store: Mutex<Store>,
    scrolls: Mutex<Scrolls>,
    meter: Meter,
}

impl State {
    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    fn scrolls(&self) -> MutexGuard<'_, Scrolls> {
        lock(&self.scrolls)
    }

    fn auth(&self) -> Option<Auth> {
        lock(&self.auth).clone()
    }

    async fn pass_gate(&self) {
        let mut gate = self.gate.subscribe();
        if *gate.borrow_and_update() == Gate::Open {
            return;
        }
        let _held = Held::new(&self.meter);
        // The sender lives in `self`, so that the wait can end with the gate open only.
        let _ = gate.wait_for(|gate| *gate == Gate::Open).await;
    }
}

/// Counts a request that waits at the gate.
struct Held<'a>(&'a Meter);

impl<'a> Held<'a> {
    fn new(meter: &'a Meter) -> Self {
        meter.update(|snapshot| snapshot.held += 1);
        Self(meter)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.update(|snapshot| snapshot.held -= 1);
    }
}

/// A test that panicked elsewhere must not hide what the stand-in has.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
