//! The output to Elasticsearch and `OpenSearch`: [`Shipper`](super::Shipper) with a clock, sockets
//! and a dead-letter store.

mod check;
mod client;
mod driver;
mod material;
mod settings;
mod wire;

use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::dead_letters::{DeadLetterError, DeadLetters};
use super::handle::{Health, Receipts, Shared, ShipHandle};
use super::shipper::Shipper;
use client::Client;

pub use check::{CheckError, ServerInfo, check};
pub use client::ClientError;
pub use material::MaterialError;
pub use settings::{
    Auth, ClientCertificate, ElasticsearchSettings, Roots, Secret, TlsSettings, Verification,
};

/// Why the output cannot start. What a server says is none of these: it may be up later.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("no host is configured for the elasticsearch output")]
    NoHost,
    /// A file of credentials or certificates, or what is in it.
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    DeadLetters(#[from] DeadLetterError),
}

/// Starts the output on a runtime. Receipts are given on its threads and must not block them.
pub fn start(
    mut settings: ElasticsearchSettings,
    receipts: Receipts,
    runtime: &Handle,
) -> Result<ShipHandle, StartError> {
    if settings.hosts.is_empty() {
        return Err(StartError::NoHost);
    }
    settings.ship.hosts = settings.hosts.len();
    let client = Client::load(&settings)?;
    let letters = DeadLetters::open(settings.dead_letters.clone())?;
    let shipper = Shipper::new(settings.ship.clone(), settings.seed);

    let (batches, batches_in) = mpsc::channel(settings.batches_in_flight_max.max(1));
    let (drain, drain_asked) = watch::channel(false);
    let (ended_sender, ended) = watch::channel(false);
    let counters = shipper.counters().clone();
    let shared = Arc::new(Shared { health: Mutex::new(Health::default()), counters });
    let driver = driver::Driver::new(driver::Parts {
        settings: Arc::new(settings),
        shipper,
        client: Arc::new(client),
        letters: Arc::new(Mutex::new(letters)),
        receipts,
        shared: Arc::clone(&shared),
        batches: batches_in,
        drain: drain_asked,
        ended: ended_sender,
    });
    runtime.spawn(driver.run());
    Ok(ShipHandle { batches, drain: Arc::new(drain), ended, shared })
}
