//! The suites. To add one, add a row.

use crate::server::Family;

pub(super) struct Suite {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// On two cores, without building; thrice that is taken for a hang.
    pub(super) minutes: u64,
    pub(super) needs: &'static [Need],
    pub(super) work: Work,
    /// Style, not behaviour: run with `--all` or by name.
    pub(super) only_ci: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Root,
    /// A Docker engine of our own for the suite's time.
    Docker,
    /// At least one of [`SERVERS`].
    Servers,
    /// qemu, and what makes a machine for it.
    Machine,
}

pub(super) enum Work {
    Cargo(&'static [&'static str]),
    /// `agent/tests/<name of the suite>.rs`, built with the profile `checks`.
    AgentTest,
    Xtask(&'static [&'static str]),
}

/// The servers that the suite `servers` ships to, one after the other.
pub(super) const SERVERS: &[(Family, &str)] = &[
    (Family::Elasticsearch, "6.8.23"),
    (Family::Elasticsearch, "7.17.29"),
    (Family::Elasticsearch, "8.19.21"),
    (Family::Elasticsearch, "9.5.3"),
    (Family::Opensearch, "1.3.20"),
    (Family::Opensearch, "2.19.6"),
    (Family::Opensearch, "3.9.0"),
];

/// With all packages at once, as cargo would otherwise compile dependencies for each choice anew.
const UNIT: &[&str] = &[
    "test",
    "--workspace",
    "--quiet",
    "--lib",
    "--bins",
    "--test=limit",
    "--test=limits",
    "--test=load",
    "--test=standin",
    "--test=tls",
    "--test=allocation",
    "--test=golden",
    "--test=hints",
    "--test=programs",
    "--test=property",
    "--test=seeds",
    "--test=small",
];

const BASE: Suite =
    Suite { name: "", about: "", minutes: 1, needs: &[], work: Work::AgentTest, only_ci: false };

pub(super) const SUITES: &[Suite] = &[
    Suite {
        name: "fmt",
        about: "formatting",
        work: Work::Cargo(&["fmt", "--all", "--check"]),
        only_ci: true,
        ..BASE
    },
    Suite {
        name: "clippy",
        about: "lints, warnings denied",
        minutes: 2,
        work: Work::Cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "--deny=warnings",
        ]),
        only_ci: true,
        ..BASE
    },
    Suite {
        name: "unit",
        about: "unit tests of every package, and those of the load generator",
        minutes: 3,
        work: Work::Cargo(UNIT),
        ..BASE
    },
    Suite { name: "start", about: "start-up faults: messages and exit codes", ..BASE },
    Suite {
        name: "faults",
        about: "server faults by the stand-in, over HTTP and TLS",
        minutes: 2,
        ..BASE
    },
    Suite { name: "sim", about: "the seeded crash test, in one thread", minutes: 2, ..BASE },
    Suite {
        name: "crash",
        about: "200 times kill -9 under load with rotation",
        minutes: 2,
        ..BASE
    },
    Suite {
        name: "attacks",
        about: "the kernel watcher disturbed from outside, under load",
        needs: &[Need::Root],
        ..BASE
    },
    Suite {
        name: "servers",
        about: "real Elasticsearch and OpenSearch, from 6.8 to 9.5 and 1.3 to 3.9",
        minutes: 4,
        needs: &[Need::Servers],
        ..BASE
    },
    Suite {
        name: "docker",
        about: "real containers under a dockerd of its own",
        minutes: 4,
        needs: &[Need::Root, Need::Docker],
        ..BASE
    },
    Suite {
        name: "manifest",
        about: "our image under log-pilot's manifest, from 6.8 to 9.5 and 2.19 to 3.9",
        minutes: 6,
        needs: &[Need::Root, Need::Docker, Need::Servers],
        ..BASE
    },
    Suite {
        name: "rungs",
        about: "the ladder's rungs on Debian's 6.1 in qemu, and on the kernel that runs here",
        minutes: 4,
        needs: &[Need::Root, Need::Machine],
        work: Work::Xtask(&["vm", "--kernel", "6.1,native", "--test", "sluice:rungs"]),
        ..BASE
    },
    Suite {
        name: "demo",
        about: "the demo, ten seconds of it",
        work: Work::Xtask(&["demo", "--seconds", "10"]),
        ..BASE
    },
    Suite {
        name: "speed",
        about: "agent against limit program, per CPU second",
        minutes: 2,
        // Without `--check`: the marks are for a quiet machine, the count of documents is for all.
        work: Work::Xtask(&["bench", "drain", "--rounds", "1"]),
        ..BASE
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_the_table() {
        for (index, suite) in SUITES.iter().enumerate() {
            assert!(!suite.name.is_empty() && suite.name.len() <= 9, "{}", suite.name);
            assert!(SUITES[..index].iter().all(|other| other.name != suite.name), "{}", suite.name);
        }
    }

    #[test]
    fn no_test_of_the_workspace_is_forgotten() {
        let names = |package: &str| -> Vec<String> {
            let directory = crate::workspace::root().join(package).join("tests");
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            let stems = entries.filter_map(|entry| {
                let path = entry.path();
                let is_test = path.extension().is_some_and(|extension| extension == "rs")
                    || path.join("main.rs").exists();
                is_test.then(|| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))?
            });
            stems.collect()
        };
        for name in names("agent") {
            assert!(SUITES.iter().any(|suite| suite.name == name), "agent/tests/{name}");
        }
        for package in ["benches", "agent/gzip"] {
            for name in names(package) {
                let is_run = UNIT.contains(&format!("--test={name}").as_str());
                assert!(is_run, "{package}/tests/{name}");
            }
        }
    }

    #[test]
    fn stays_under_the_time_of_ci() {
        // 45 minutes, of which building takes about ten.
        assert!(SUITES.iter().map(|suite| suite.minutes).sum::<u64>() <= 35);
    }
}
