//! The configured output, started.

use tokio::runtime::Handle;
use xxhash_rust::xxh3::xxh3_64;

use super::StartError;
use crate::config::{
    Config, Credentials, Elasticsearch, Family, Output, SecretSource, Server, Verify, WhenRefused,
};
use crate::core::limits::BATCHES_IN_FLIGHT_MAX;
use crate::ship::dead_letters::DeadLetterSettings;
use crate::ship::elasticsearch::{
    Auth, ClientCertificate, ElasticsearchSettings, Roots, Secret, TlsSettings, Verification,
};
use crate::ship::{self, Product, Receipts, ServerVersion, ShipHandle, ShipSettings, console};

pub(super) fn start(config: &Config, receipts: Receipts) -> Result<ShipHandle, StartError> {
    let runtime = Handle::current();
    match &config.output {
        Output::Console => {
            let places = config.workers.get() * BATCHES_IN_FLIGHT_MAX;
            Ok(console::start(places, std::io::stdout(), receipts, &runtime)?)
        }
        Output::Elasticsearch(output) => {
            let settings = elasticsearch(config, output);
            Ok(ship::elasticsearch::start(settings, receipts, &runtime)?)
        }
    }
}

/// The settings of the driver, from the configuration.
pub fn elasticsearch(config: &Config, output: &Elasticsearch) -> ElasticsearchSettings {
    let hosts: Vec<String> = output.hosts.iter().map(ToString::to_string).collect();
    let ship = ShipSettings {
        hosts: hosts.len(),
        requests_in_flight_max: output.requests_in_flight_max.get(),
        when_refused: match output.when_refused {
            WhenRefused::Wait => ship::WhenRefused::Wait,
            WhenRefused::DeadLetterAfter(after) => ship::WhenRefused::DeadLetter { after },
        },
        version_assumed: match output.server {
            Server::Auto => None,
            Server::Given { family, major, .. } => Some(ServerVersion {
                product: match family {
                    Family::Elasticsearch => Product::Elasticsearch,
                    Family::OpenSearch => Product::OpenSearch,
                },
                major,
            }),
        },
        ..ShipSettings::default()
    };
    let letters = DeadLetterSettings::in_state_directory(&config.state_dir);
    ElasticsearchSettings {
        ship,
        batches_in_flight_max: config.workers.get() * BATCHES_IN_FLIGHT_MAX,
        auth: auth(&output.credentials),
        tls: TlsSettings {
            roots: output.tls.ca_file.clone().map_or(Roots::System, Roots::Only),
            client: output.tls.client.clone().map(|(certificate_file, key_file)| {
                ClientCertificate { certificate_file, key_file }
            }),
            verification: match output.tls.verify {
                Verify::Full => Verification::Full,
                Verify::None => Verification::None,
            },
        },
        type_name: output.mapping_type.clone(),
        request_timeout: output.timeout,
        seed: seed(),
        ..ElasticsearchSettings::new(hosts, letters)
    }
}

/// Different on each node and at each start, so that a fleet's waits spread.
fn seed() -> u64 {
    let mut bytes = crate::core::Now::read().wall_ns.to_le_bytes().to_vec();
    bytes.extend_from_slice(rustix::system::uname().nodename().to_bytes());
    bytes.extend_from_slice(&std::process::id().to_le_bytes());
    xxh3_64(&bytes)
}

fn auth(credentials: &Credentials) -> Auth {
    let secret = |source: &SecretSource| match source {
        SecretSource::Given(secret) => Secret::Value(secret.reveal().to_owned()),
        SecretSource::File(path) => Secret::File(path.clone()),
    };
    match credentials {
        Credentials::None => Auth::None,
        Credentials::Basic { user, password } => {
            Auth::Basic { user: Secret::Value(user.clone()), password: secret(password) }
        }
        Credentials::ApiKey(key) => Auth::ApiKey(secret(key)),
        Credentials::Bearer(token) => Auth::Bearer(secret(token)),
    }
}
