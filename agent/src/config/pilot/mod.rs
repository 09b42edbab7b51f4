//! log-pilot's environment contract: a collector's manifest in which only the image is changed.
//!
//! It is read when something says that the agent stands in log-pilot's place ([`detect`]). What
//! log-pilot's variables say then goes into the configuration *as written*, key by key and only
//! where the file and the flags leave a key out; so there is one check, one set of defaults and
//! one way to say what does not fit. [`table`] knows every variable.

mod detect;
mod elasticsearch;
mod entry;
mod error;
mod outputs;
mod page;
mod table;
mod takes;

pub use entry::Entry;
pub use error::PilotError;
pub use page::variables_page;

use super::file::{Console, Elasticsearch, File, Output, Texts};
use super::surroundings::Surroundings;
use super::text::Text;
use detect::Place;
use outputs::{Chosen, SLS_SECRET, SLS_SECRET_VARIABLES};
use table::{COMMON, Effect, FILEBEAT, FLUENTD, Group, Variable};
use takes::Takes;

/// Which of log-pilot's images is stood in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Fluentd,
    Filebeat,
}

/// What a person should know of how the environment was understood; told once the log is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    pub weight: Weight,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    Info,
    Warning,
}

/// Names the profile where a message wants to know whence a value comes.
const OF_PROFILE: &str = "the log-pilot profile";

impl Profile {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fluentd => "fluentd",
            Self::Filebeat => "filebeat",
        }
    }

    /// The only writable place of the image's manifest.
    fn state_dir(self) -> &'static str {
        match self {
            Self::Fluentd => "/pilot/pos",
            Self::Filebeat => "/var/lib/filebeat",
        }
    }

    /// The mapping type of the indices that the image has made on Elasticsearch 6.
    fn mapping_type(self) -> &'static str {
        match self {
            Self::Fluentd => "fluentd",
            Self::Filebeat => "doc",
        }
    }

    fn zone(self) -> &'static str {
        match self {
            Self::Fluentd => "local",
            Self::Filebeat => "UTC",
        }
    }

    fn group(self) -> &'static Group {
        match self {
            Self::Fluentd => &FLUENTD,
            Self::Filebeat => &FILEBEAT,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Fluentd => Self::Filebeat,
            Self::Filebeat => Self::Fluentd,
        }
    }

    fn output_variable(self) -> &'static str {
        match self {
            Self::Fluentd => "FLUENTD_OUTPUT",
            Self::Filebeat => "FILEBEAT_OUTPUT",
        }
    }
}

/// Fills what `written` leaves out, if the agent stands in log-pilot's place.
pub(super) fn apply(
    written: &mut File,
    is_written: bool,
    surroundings: &Surroundings,
) -> Result<(Option<Profile>, Vec<Remark>), PilotError> {
    let place = Place::of(surroundings);
    let Some(profile) = place.profile(is_written)? else { return Ok((None, Vec::new())) };
    let mut filling = Filling { written, place, profile, remarks: Vec::new() };
    filling.templates()?;
    filling.defaults();
    let chosen = filling.output()?;
    filling.group(&COMMON)?;
    filling.group(profile.group())?;
    if chosen == Chosen::Elasticsearch {
        elasticsearch::fill(&mut filling)?;
    }
    filling.idle(chosen);
    Ok((Some(profile), filling.remarks))
}

struct Filling<'a> {
    written: &'a mut File,
    place: Place<'a>,
    profile: Profile,
    remarks: Vec<Remark>,
}

impl Filling<'_> {
    fn variable(&self, name: &str) -> Option<&str> {
        self.place.variable(name)
    }

    fn say(&mut self, weight: Weight, text: impl Into<String>) {
        self.remarks.push(Remark { weight, text: text.into() });
    }

    /// Templates of fluentd and Filebeat cannot be honoured, and somebody relies on them.
    fn templates(&mut self) -> Result<(), PilotError> {
        const GO_ON: &str = "SLUICE_IGNORE_TEMPLATES";
        let paths = self.place.templates();
        if paths.is_empty() {
            return Ok(());
        }
        if !matches!(self.variable(GO_ON), Some("true" | "1" | "yes")) {
            return Err(PilotError::Templates { paths });
        }
        let text = format!("{} has no effect: {GO_ON} is set", paths.join(", "));
        self.say(Weight::Warning, text);
        Ok(())
    }

    /// What the image does without being told.
    fn defaults(&mut self) {
        let profile = self.profile;
        let text = |value: &str| Some(Text::of_variable(OF_PROFILE, value));
        let state_dir = self.place.state_dir(profile);
        let is_host_there = self.place.is_directory("/host");
        if !is_host_there {
            self.say(
                Weight::Warning,
                "the host's root is not mounted at /host, so only logs in this file system are \
                 found; mount it there, or set `docker.host_prefix`",
            );
        }
        let File { collect, docker, shape, target_zone, state_dir: state, .. } = self.written;
        for (slot, value) in [
            (state, state_dir),
            (&mut collect.stdout, Some("declared")),
            (shape, Some("pilot")),
            (target_zone, Some(profile.zone())),
            (&mut docker.host_prefix, is_host_there.then_some("/host")),
        ] {
            if slot.is_none() {
                *slot = value.and_then(text);
            }
        }
    }

    /// Chooses the output and refuses one that is not there.
    fn output(&mut self) -> Result<Chosen, PilotError> {
        let Output { elasticsearch, console } = &self.written.output;
        let by_key = match (elasticsearch, console) {
            (Some(_), _) => Some(Chosen::Elasticsearch),
            (None, Some(_)) => Some(Chosen::Console),
            (None, None) => None,
        };
        let asked = [
            self.profile.output_variable(),
            "LOGGING_OUTPUT",
            self.profile.other().output_variable(),
        ]
        .into_iter()
        .find_map(|name| Some((name, self.variable(name)?.to_owned())));
        let Some((variable, name)) = asked else {
            let chosen = by_key.unwrap_or(Chosen::Console);
            if by_key.is_none() {
                self.say(
                    Weight::Warning,
                    "no LOGGING_OUTPUT is set: documents go to standard output only",
                );
            }
            return Ok(chosen);
        };
        let by_name = Chosen::of(&name);
        if let Some(by_key) = by_key {
            if by_name != Some(by_key) {
                let text = format!(
                    "{variable}={name} has no effect: the configuration or a flag \
                     names the output"
                );
                self.say(Weight::Warning, text);
            }
            return Ok(by_key);
        }
        match by_name {
            Some(Chosen::Absent(output)) => {
                self.check(Chosen::Absent(output).variables())?;
                return Err(PilotError::AbsentOutput { variable, output });
            }
            Some(Chosen::Elasticsearch) => {
                self.written.output.elasticsearch = Some(Elasticsearch::default());
            }
            Some(Chosen::Console) | None => self.written.output.console = Some(Console {}),
        }
        if by_name.is_none() {
            let text = format!(
                "{variable}={name} is no output of log-pilot or sluice: DOCUMENTS GO TO STANDARD \
                 OUTPUT ONLY, as in log-pilot; did you mean elasticsearch?"
            );
            self.say(Weight::Warning, text);
        }
        Ok(by_name.unwrap_or(Chosen::Console))
    }

    /// As log-pilot's entrypoint does before it writes the configuration of an output.
    fn check(&self, variables: &'static [Variable]) -> Result<(), PilotError> {
        for Variable { name, takes, effect, .. } in variables {
            let in_file = SLS_SECRET_VARIABLES.contains(name) && self.place.is_file(SLS_SECRET);
            match self.variable(name) {
                Some(value) => drop(read(name, *takes, value)?),
                None if *effect == Effect::Required && !in_file => {
                    return Err(PilotError::Required { variable: name });
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Puts each variable that is a key into its place, unless something stands there.
    fn group(&mut self, group: &'static Group) -> Result<(), PilotError> {
        for Variable { name, takes, effect, .. } in group.variables {
            let Some(value) = self.variable(name).map(str::to_owned) else { continue };
            match *effect {
                Effect::Key(key) => self.fill(key, name, *takes, &value)?,
                Effect::Warned(mend) if value != "false" => {
                    self.say(Weight::Warning, format!("{name}={value} has no effect: {mend}"));
                }
                _ if *name == "DOCKER_HOST" => self.engine(&value),
                _ => {}
            }
        }
        Ok(())
    }

    fn fill(
        &mut self,
        key: &'static str,
        name: &'static str,
        takes: Takes,
        value: &str,
    ) -> Result<(), PilotError> {
        let ours = read(name, takes, value)?;
        // Zero was Filebeat's default and no wish to lose what is on its way.
        let is_no_time = key == "shutdown_timeout" && matches!(&*ours, "0ms" | "0s");
        if ours.is_empty() || is_no_time {
            return Ok(());
        }
        let text = Text::of_variable(name, &ours);
        if key == "declare.prefixes" {
            let prefixes = &mut self.written.declare.prefixes;
            if prefixes.0.is_empty() {
                *prefixes = Texts(vec![text]);
            }
            return Ok(());
        }
        let Some(slot) = slot(self.written, key) else { return Ok(()) };
        match slot {
            None => *slot = Some(text),
            Some(there) if key == "http.listen" && there.raw != ours => {
                let text = format!("{name}={value} has no effect: metrics are at {}", there.raw);
                self.say(Weight::Warning, text);
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn engine(&mut self, host: &str) {
        match host.strip_prefix("unix://") {
            Some(path) => {
                let text = Text::of_variable("DOCKER_HOST", path);
                self.written.docker.socket.get_or_insert(text);
            }
            None => self.say(
                Weight::Warning,
                format!(
                    "DOCKER_HOST={host} has no effect: the engine is asked over a Unix socket \
                     only; mount it at /var/run/docker.sock"
                ),
            ),
        }
    }

    /// One line for all that is accepted and does nothing.
    fn idle(&mut self, chosen: Chosen) {
        let other = self.profile.other();
        let without = |it: &&Variable| matches!(it.effect, Effect::Nothing(_));
        let mine = [COMMON.variables, self.profile.group().variables, chosen.variables()];
        let names: Vec<_> = mine
            .into_iter()
            .flat_map(|variables| variables.iter().filter(without))
            .chain(other.group().variables)
            .map(|it| it.name)
            .filter(|name| self.variable(name).is_some())
            .collect();
        if !names.is_empty() {
            let text = format!(
                "accepted without effect: {}; docs/log-pilot.md says why",
                names.join(", ")
            );
            self.say(Weight::Info, text);
        }
    }
}

fn read(name: &'static str, takes: Takes, value: &str) -> Result<String, PilotError> {
    takes.read(value).map_err(|expected| PilotError::Value {
        variable: name,
        value: value.to_owned(),
        expected,
    })
}

/// Where a key that holds one text stands in the configuration as written.
fn slot<'a>(file: &'a mut File, key: &str) -> Option<&'a mut Option<Text>> {
    Some(match key {
        "workers" => &mut file.workers,
        "shutdown_timeout" => &mut file.shutdown_timeout,
        "batch.bytes" => &mut file.batch.bytes,
        "batch.flush_interval" => &mut file.batch.flush_interval,
        "log.level" => &mut file.log.level,
        "http.listen" => &mut file.http.listen,
        of_output => {
            let output = file.output.elasticsearch.as_mut()?;
            match of_output {
                "output.elasticsearch.verify" => &mut output.verify,
                "output.elasticsearch.requests_in_flight_max" => &mut output.requests_in_flight_max,
                _ => return None,
            }
        }
    })
}

#[cfg(test)]
mod tests;
