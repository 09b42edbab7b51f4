//! Whether this machine can run a suite, and if not, what would let it.

use std::path::Path;

use super::table::{Need, SERVERS, Suite, Work};
use crate::debian::{self, is_root};
use crate::docker;
use crate::process::on_path;
use crate::server::Release;
use crate::vm;

pub(super) struct Missing {
    pub(super) what: String,
    pub(super) way_out: String,
}

impl Missing {
    fn new(what: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { what: what.into(), way_out: way_out.into() }
    }
}

/// The first thing that `suite` lacks here.
pub(super) fn missing(suite: &Suite) -> Option<Missing> {
    if matches!(suite.work, Work::AgentTest) {
        let directory = Path::new("agent/tests");
        // One file, or a directory with its parts: cargo finds both.
        let file = directory.join(suite.name).with_extension("rs");
        if !file.exists() && !directory.join(suite.name).join("main.rs").exists() {
            let what = format!("there is no {}", file.display());
            return Some(Missing::new(what, "it has to be written"));
        }
    }
    suite.needs.iter().find_map(|need| match need {
        Need::Root => root(),
        Need::Docker => docker_engine(),
        Need::Servers => servers(),
        Need::Machine => programs(vm::PROGRAMS),
    })
}

fn root() -> Option<Missing> {
    (!is_root()).then(|| Missing::new("we are not root", "run it as root, in a container of yours"))
}

fn docker_engine() -> Option<Missing> {
    programs(docker::PROGRAMS)
}

fn programs(programs: &[(&str, &str)]) -> Option<Missing> {
    let absent = debian::absent(programs);
    let (name, _) = absent.first()?;
    let packages = debian::packages(&absent);
    Some(Missing::new(
        format!("no {name}"),
        format!("`cargo xtask test --all` installs {} where it may", packages.join(" and ")),
    ))
}

fn servers() -> Option<Missing> {
    if on_path("mvn").is_none() {
        return Some(Missing::new("no mvn, which fetches the servers", "apt-get install maven"));
    }
    let reasons: Vec<_> =
        SERVERS.iter().map(|(family, version)| server(*family, version)).collect();
    if reasons.iter().any(Result::is_ok) {
        return None;
    }
    let reason = reasons.into_iter().find_map(Result::err)?;
    Some(Missing::new("no server can be started", format!("{reason:#}")))
}

/// Whether a JDK for it is there.
pub(super) fn server(family: crate::server::Family, version: &str) -> anyhow::Result<Release> {
    let release = Release::parse(family, version)?;
    release.check_jdk()?;
    Ok(release)
}
