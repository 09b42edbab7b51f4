//! `sluice run`

use sluice::config::Config;

use super::ExitError;
use super::exit::Code;

/// Runs the agent until it is told to stop.
pub(super) fn run(config: Config) -> Result<(), ExitError> {
    start(config)
}

/// The seam to the assembled agent, which is not there yet.
fn start(config: Config) -> Result<(), ExitError> {
    let _log = sluice::observe::log::init(config.log);
    Err(ExitError::new(Code::Unavailable, "the agent is not assembled yet"))
}
