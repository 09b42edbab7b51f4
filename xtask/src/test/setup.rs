//! What suites find in place: packages, jars, kernels, an engine.

use anyhow::Result;

use super::need::{Missing, server};
use super::outcome::{Outcome, Verdict};
use super::table::{Need, SERVERS, Suite};
use crate::debian;
use crate::docker::{self, Engine};
use crate::process::own_executable;
use crate::server::Release;
use crate::vm;

/// What suites share, or have for their own time.
pub(super) struct Prepared {
    servers: Vec<Release>,
    engine: Option<Engine>,
}

impl Prepared {
    /// Starts what `suite` wants only while it runs; after the builds, as it goes into an image.
    pub(super) fn begin(&mut self, suite: &Suite) -> Result<(), Verdict> {
        if !suite.needs.contains(&Need::Docker) {
            return Ok(());
        }
        let engine = Engine::start().map_err(|error| {
            // Namespaces, control groups or overlays may be forbidden; that is no fault of the code.
            Verdict::LeftOut(Missing {
                what: "a dockerd of our own does not start here".into(),
                way_out: format!("{error:#}"),
            })
        })?;
        docker::load(&engine.host()).map_err(|error| Verdict::Failed(format!("{error:#}")))?;
        self.engine = Some(engine);
        Ok(())
    }

    /// What `suite` is told by environment.
    pub(super) fn environment(&self, suite: &Suite) -> Vec<(&'static str, String)> {
        // So that a test starts servers by the binary that runs already.
        let mut told = vec![("SLUICE_TEST_XTASK", own_executable().display().to_string())];
        if suite.needs.contains(&Need::Servers) {
            let all: Vec<_> = self.servers.iter().map(ToString::to_string).collect();
            told.push(("SLUICE_TEST_SERVERS", all.join(",")));
        }
        if let Some(engine) = &self.engine {
            told.push(("SLUICE_TEST_DOCKER_HOST", engine.host()));
            told.push(("SLUICE_TEST_DOCKER_ROOT", engine.root().display().to_string()));
            told.push(("SLUICE_TEST_DOCKER_IMAGE", docker::IMAGE.to_owned()));
        }
        told
    }

    pub(super) fn end(&mut self) {
        self.engine = None;
    }
}

/// Debian packages, where we may; what cannot be installed is found missing afterwards.
pub(super) fn install(suites: &[&Suite]) -> Result<()> {
    for (need, programs) in [(Need::Docker, docker::PROGRAMS), (Need::Machine, vm::PROGRAMS)] {
        if suites.iter().any(|suite| suite.needs.contains(&need)) {
            debian::install(programs)?;
        }
    }
    Ok(())
}

/// Fetches jars and kernels, where a suite wants them; if none can be had, that suite goes to
/// `outcomes`.
pub(super) fn prepare(suites: &[&'static Suite], outcomes: &mut Vec<Outcome>) -> Prepared {
    let need = |need: Need| suites.iter().filter(move |suite| suite.needs.contains(&need));
    let mut servers = Vec::new();
    let mut reason = String::new();
    if need(Need::Servers).next().is_some() {
        for (family, version) in SERVERS {
            match server(*family, version).and_then(|release| release.fetch().map(|()| release)) {
                Ok(release) => servers.push(release),
                Err(error) => {
                    reason = format!("{error:#}");
                    eprintln!("xtask: {} {version} is left out: {reason}", family.name());
                }
            }
        }
    }
    for suite in need(Need::Servers).filter(|_| servers.is_empty()) {
        let way_out = reason.clone();
        let missing = Missing { what: "no server could be fetched".into(), way_out };
        outcomes.push(Outcome::left_out(suite, missing));
    }
    for suite in need(Need::Machine) {
        if let Err(error) = vm::fetch() {
            let missing = Missing {
                what: "no kernel could be fetched".into(),
                way_out: format!("{error:#}"),
            };
            outcomes.push(Outcome::left_out(suite, missing));
        }
    }
    Prepared { servers, engine: None }
}
