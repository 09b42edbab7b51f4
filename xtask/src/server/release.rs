//! What a version of a server needs and is made of.

use std::fmt;

use anyhow::{Context, Result};

use super::{fetch, jdk};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Family {
    Elasticsearch,
    Opensearch,
}

impl Family {
    /// As in Java packages, Maven groups and the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Elasticsearch => "elasticsearch",
            Self::Opensearch => "opensearch",
        }
    }
}

/// How the server wants its modules; only the HTTP transport is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Modules {
    /// On the class path, given to a protected constructor.
    ClassPath,
    /// In directories of their own, as in a distribution.
    Directories,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    pub(super) family: Family,
    pub(super) version: String,
    pub(super) major: u32,
}

impl Release {
    pub(crate) fn parse(family: Family, version: &str) -> Result<Self> {
        let parts: Vec<u32> = version
            .split('.')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()
            .filter(|parts: &Vec<u32>| parts.len() == 3)
            .with_context(|| {
                format!("{version} is no version; write it in full, such as 8.19.21")
            })?;
        let major = parts[0];
        let known = match family {
            Family::Elasticsearch => 6..=9,
            Family::Opensearch => 1..=3,
        };
        anyhow::ensure!(
            known.contains(&major),
            "{} {version} cannot be started; major versions {} to {} can",
            family.name(),
            known.start(),
            known.end()
        );
        Ok(Self { family, version: version.to_owned(), major })
    }

    /// An error says which JDK is missing.
    pub(crate) fn check_jdk(&self) -> Result<()> {
        jdk::find(self).map(drop)
    }

    /// Fetches it into the cache unless it is there.
    pub(crate) fn fetch(&self) -> Result<()> {
        fetch::home(self, &jdk::find(self)?).map(drop)
    }

    /// Feature releases of the JDK: the oldest the server and the launcher run on, and the newest
    /// that the server is known to start with (older ones need a security manager or old bytecode
    /// readers).
    pub(super) fn jdk(&self) -> (u32, u32) {
        match (self.family, self.major) {
            (Family::Elasticsearch, 6 | 7) | (Family::Opensearch, 1) => (17, 17),
            (Family::Elasticsearch, 8) => (17, 25),
            (Family::Opensearch, 2) => (17, 21),
            _ => (21, 25),
        }
    }

    pub(super) fn modules(&self) -> Modules {
        match (self.family, self.major) {
            (Family::Elasticsearch, 6 | 7) | (Family::Opensearch, 1) => Modules::ClassPath,
            _ => Modules::Directories,
        }
    }

    /// Maven coordinates of the server itself.
    pub(super) fn server(&self) -> Vec<String> {
        let (name, version) = (self.family.name(), &self.version);
        let mut all = vec![format!("org.{name}:{name}:{version}")];
        if self.family == Family::Opensearch && self.major > 1 {
            all.push(format!("org.opensearch:opensearch-plugin-classloader:{version}"));
        }
        all
    }

    /// Maven coordinate of the HTTP transport.
    pub(super) fn transport(&self) -> String {
        let artifact = match (self.family, self.major) {
            (Family::Elasticsearch, 8..) => "transport-netty4",
            _ => "transport-netty4-client",
        };
        format!("org.{}.plugin:{artifact}:{}", self.family.name(), self.version)
    }

    /// The setting that names the nodes of the first election.
    pub(super) fn initial_nodes(&self) -> &'static str {
        match (self.family, self.major) {
            (Family::Opensearch, 2..) => "cluster.initial_cluster_manager_nodes",
            _ => "cluster.initial_master_nodes",
        }
    }

    /// Elasticsearch 6 writes the `Warning` header of a deprecation by itself.
    pub(super) fn warns_by_appender(&self) -> bool {
        !(self.family == Family::Elasticsearch && self.major == 6)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.family.name(), self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let check = |family, version: &str, expect: Option<u32>| {
            assert_eq!(Release::parse(family, version).ok().map(|r| r.major), expect, "{version}");
        };
        check(Family::Elasticsearch, "6.8.23", Some(6));
        check(Family::Elasticsearch, "9.5.3", Some(9));
        check(Family::Elasticsearch, "5.6.16", None);
        check(Family::Elasticsearch, "8.19", None);
        check(Family::Elasticsearch, "8.x.1", None);
        check(Family::Opensearch, "1.3.20", Some(1));
        check(Family::Opensearch, "4.0.0", None);
    }
}
