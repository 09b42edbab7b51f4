//! `sluice run`

use sluice::agent::{self, StartError, Threads};
use sluice::config::{Config, Weight};
use sluice::observe::log;

use super::ExitError;
use super::exit::Code;

/// Runs the agent until it is told to stop.
pub(super) fn run(config: &Config) -> Result<(), ExitError> {
    // Before any other thread, so that none has what only these need.
    let threads = Threads::first().map_err(StartError::from)?;
    // Held to the end, which waits for its last lines.
    let log = log::init(config.log);
    if let Some(profile) = config.profile {
        let profile = profile.as_str();
        tracing::info!(profile, "configured by log-pilot's environment");
    }
    for remark in &config.remarks {
        match remark.weight {
            Weight::Info => tracing::info!("{}", remark.text),
            Weight::Warning => tracing::warn!("{}", remark.text),
        }
    }
    Ok(agent::run(config, &log, threads)?)
}

impl From<StartError> for ExitError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Lock(error) => error.into(),
            StartError::Store(error) => error.into(),
            StartError::Listen(error) => error.into(),
            StartError::Socket(error) => error.into(),
            StartError::Target(_) | StartError::NoNode | StartError::Output(_) => {
                Self::new(Code::Config, error)
            }
            StartError::Watch(_) | StartError::OutputEnded(_) | StartError::Thread(_) => {
                Self::new(Code::Unavailable, error)
            }
        }
    }
}
