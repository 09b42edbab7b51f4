//! Whether the agent stands in log-pilot's place, and what is mounted there.

use std::fs;
use std::path::Path;

use super::{Entry, PilotError, Profile};
use crate::config::surroundings::Surroundings;

/// Any of these is set in every manifest of log-pilot.
const SIGNS: [&str; 4] = ["PILOT_TYPE", "LOGGING_OUTPUT", "FLUENTD_OUTPUT", "FILEBEAT_OUTPUT"];

/// Files that users of log-pilot mount over those of its image; ours has none of them.
const TEMPLATES: [&str; 5] = [
    "/pilot/fluentd.tpl",
    "/pilot/filebeat.tpl",
    "/pilot/config.fluentd",
    "/pilot/config.filebeat",
    "/etc/filebeat/filebeat.yml",
];

/// Everything in it is a template, but the directory of the list of topics.
const FLUENTD_DIRECTORY: &str = "/etc/fluentd";
const TOPICS_DIRECTORY: &str = "config";

/// The environment that log-pilot would find.
pub(super) struct Place<'a> {
    surroundings: &'a Surroundings,
    mounts: String,
}

impl<'a> Place<'a> {
    pub(super) fn of(surroundings: &'a Surroundings) -> Self {
        let path = surroundings.root.join("proc/self/mountinfo");
        Self { surroundings, mounts: fs::read_to_string(path).unwrap_or_default() }
    }

    /// One that is set to nothing is not set, as log-pilot's scripts have it.
    pub(super) fn variable(&self, name: &str) -> Option<&'a str> {
        let value = self.surroundings.variables.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// `None`: nothing here is of log-pilot. A mount alone is a sign only as long as no
    /// configuration of sluice's own says otherwise.
    pub(super) fn profile(&self, is_configured: bool) -> Result<Option<Profile>, PilotError> {
        let mounted = |profile: &Profile| self.is_mount(profile.state_dir());
        let by_mount = [Profile::Fluentd, Profile::Filebeat].into_iter().find(mounted);
        let is_called = self.surroundings.entry != Entry::Sluice;
        let is_set = SIGNS.iter().any(|name| self.variable(name).is_some());
        if !(is_called || is_set || by_mount.is_some() && !is_configured) {
            return Ok(None);
        }
        let by_output = || {
            let only = self.variable("FILEBEAT_OUTPUT").is_some()
                && self.variable("FLUENTD_OUTPUT").is_none();
            if only { Profile::Filebeat } else { Profile::Fluentd }
        };
        match self.variable("PILOT_TYPE") {
            Some("fluentd") => Ok(Some(Profile::Fluentd)),
            Some("filebeat") => Ok(Some(Profile::Filebeat)),
            Some(value) => Err(PilotError::Type { value: value.to_owned() }),
            None => Ok(Some(by_mount.unwrap_or_else(by_output))),
        }
    }

    /// The state directory that the manifest offers, where sluice's own would not last.
    pub(super) fn state_dir(&self, profile: Profile) -> Option<&'static str> {
        let offered = profile.state_dir();
        (self.is_mount(offered) && !self.is_mount("/var/lib/sluice")).then_some(offered)
    }

    pub(super) fn templates(&self) -> Vec<String> {
        let mounted = TEMPLATES.iter().filter(|path| self.at(path).exists());
        let mut paths: Vec<_> = mounted.map(|path| (*path).to_owned()).collect();
        let entries = fs::read_dir(self.at(FLUENTD_DIRECTORY)).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name() != TOPICS_DIRECTORY) {
            paths.push(format!("{FLUENTD_DIRECTORY}/{}", entry.file_name().to_string_lossy()));
        }
        paths.sort_unstable();
        paths
    }

    pub(super) fn is_directory(&self, path: &str) -> bool {
        self.at(path).is_dir()
    }

    pub(super) fn is_file(&self, path: &str) -> bool {
        self.at(path).is_file()
    }

    pub(super) fn read(&self, path: &str) -> std::io::Result<String> {
        fs::read_to_string(self.at(path))
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        let relative = Path::new(path).strip_prefix("/");
        self.surroundings.root.join(relative.unwrap_or(Path::new(path)))
    }

    /// By the fifth field of the table of mounts, in which none of our paths needs an escape.
    fn is_mount(&self, path: &str) -> bool {
        self.mounts.lines().any(|line| line.split(' ').nth(4) == Some(path))
    }
}
