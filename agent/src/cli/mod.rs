//! The command line: what may be written, and which function it means.

mod check;
mod doctor;
mod exit;
mod import;
mod print;
mod run;
mod show;
mod tap;
mod top;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use sluice::agent::{FILEBEAT_REGISTRY, FLUENTD_POSITIONS};
use sluice::config::{self, Config, Entry, OutputKind, Overrides, Surroundings};

pub(crate) use exit::{ExitError, report_panics};

#[derive(Debug, Parser)]
#[command(
    name = "sluice",
    version,
    about = "Ships container logs: no line lost, none doubled",
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 clean, 1 not well (healthz), 64 usage, 69 unavailable, 70 a bug, 75 temporary \
                  (another agent holds the state), 78 configuration."
)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Collect and ship, until SIGTERM or SIGINT
    Run(Settings),
    /// Check the configuration, and whether its output answers
    Check {
        #[command(flatten)]
        settings: Settings,
        /// Check the configuration only
        #[arg(long)]
        offline: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Look at this machine: what suits the agent, what does not, and what would mend it
    Doctor {
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        form: Form,
    },
    /// Show this program's version, and the running agent's
    Version(Question),
    /// List the containers that the running agent knows, and what becomes of their logs
    Containers(Question),
    /// Say what becomes of one container's logs, and why
    Explain {
        /// Its name, its id, or the beginning of that
        container: String,
        #[command(flatten)]
        question: Question,
    },
    /// Print a container's documents as they go by, a line of JSON each
    Tap {
        /// Its name, its id, or the beginning of that
        container: String,
        /// End after so many documents
        #[arg(long, value_name = "DOCUMENTS")]
        limit: Option<u64>,
        #[command(flatten)]
        question: Question,
    },
    /// Show what the first run takes over of log-pilot's positions; `sluice run` does it by itself
    Import {
        /// Show it and change nothing
        #[arg(long, required = true)]
        dry_run: bool,
        /// Directory of fluentd's positions
        #[arg(long, value_name = "DIRECTORY", default_value = FLUENTD_POSITIONS)]
        positions: PathBuf,
        /// Filebeat's registry
        #[arg(long, value_name = "FILE", default_value = FILEBEAT_REGISTRY)]
        registry: PathBuf,
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        form: Form,
    },
    /// Watch the containers of the running agent: rate, lag, target
    Top(Question),
    /// List how far each log is read and acknowledged
    Positions(Question),
    /// Ask the running agent whether it is well: exit code 0 or another
    Healthz(Question),
}

/// What may be set on the command line. Each wins over the configuration file.
#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    /// Configuration file [default: /etc/sluice/sluice.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of positions, dead letters and the control socket
    #[arg(long, value_name = "DIRECTORY", env = "SLUICE_STATE_DIR")]
    state_dir: Option<String>,
    /// Where documents go
    #[arg(long, value_enum)]
    output: Option<OutputName>,
    /// Elasticsearch's hosts; without --output they choose it
    #[arg(long, value_name = "URL,…", value_delimiter = ',')]
    hosts: Vec<String>,
    /// The node's name in documents
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
}

/// A question to the running agent.
#[derive(Args, Clone, Debug)]
pub(crate) struct Question {
    /// Configuration file of the running agent, which names its state directory
    #[arg(long, value_name = "FILE", conflicts_with = "state_dir")]
    config: Option<PathBuf>,
    /// State directory of the running agent
    #[arg(long, value_name = "DIRECTORY")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    form: Form,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Form {
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OutputName {
    Console,
    Elasticsearch,
}

/// Reads the command line. Help and version are printed here and end the program.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Verb, ExitError> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let arguments = Entry::of(&arguments).rewrite(arguments);
    CommandLine::try_parse_from(arguments).map(|line| line.verb).map_err(ExitError::of_usage)
}

/// Does what the command line says.
pub(crate) fn execute(verb: &Verb) -> Result<(), ExitError> {
    match verb {
        Verb::Run(settings) => run::run(&settings.load()?),
        Verb::Check { settings, offline: true, form } => check::check(&settings.load()?, *form),
        Verb::Check { settings, offline: false, form } => {
            let config = settings.load()?;
            check::reach(&config)?;
            check::check(&config, *form)
        }
        Verb::Doctor { settings, form } => doctor::doctor(&settings.load()?, *form),
        Verb::Version(question) => show::version(question),
        Verb::Containers(question) => show::containers(question),
        Verb::Explain { container, question } => show::explain(question, container),
        Verb::Import { dry_run: _, positions, registry, settings, form } => {
            import::import(&settings.load()?, positions, registry, *form)
        }
        Verb::Tap { container, limit, question } => tap::tap(question, container, *limit),
        Verb::Top(question) => top::top(question),
        Verb::Positions(question) => show::positions(question),
        Verb::Healthz(question) => show::healthz(question),
    }
}

impl Settings {
    fn load(&self) -> Result<Config, ExitError> {
        let Self { config, state_dir, output, hosts, node } = self.clone();
        let output = output.map(|name| match name {
            OutputName::Console => OutputKind::Console,
            OutputName::Elasticsearch => OutputKind::Elasticsearch,
        });
        let overrides = Overrides { config, state_dir, output, hosts, node };
        Ok(config::load(&overrides, &Surroundings::of_process())?)
    }
}

impl Question {
    /// A state directory that is named needs no configuration, which may be another user's.
    fn state_dir(&self) -> Result<PathBuf, ExitError> {
        if let Some(directory) = &self.state_dir {
            return Ok(directory.clone());
        }
        // Not by clap: set for the whole container, it must not conflict with --config.
        let state_dir = std::env::var("SLUICE_STATE_DIR").ok().filter(|path| !path.is_empty());
        let overrides =
            Overrides { config: self.config.clone(), state_dir, ..Overrides::default() };
        Ok(config::load(&overrides, &Surroundings::of_process())?.state_dir)
    }
}

#[cfg(test)]
mod tests {
    use super::exit::Code;
    use super::*;

    fn parsed(line: &str) -> Result<Verb, ExitError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn every_verb_is_understood() {
        let Ok(Verb::Run(settings)) =
            parsed("sluice run --config /c --state-dir /s --hosts a,b --node n --output console")
        else {
            panic!("it is right");
        };
        assert_eq!(settings.hosts, ["a", "b"]);
        assert!(matches!(settings.output, Some(OutputName::Console)));
        assert!(matches!(parsed("sluice check --offline"), Ok(Verb::Check { offline: true, .. })));
        assert!(matches!(parsed("sluice version"), Ok(Verb::Version(_))));
        let Ok(Verb::Containers(question)) = parsed("sluice containers --json --state-dir /s")
        else {
            panic!("it is right");
        };
        assert!(question.form.json);
        assert_eq!(question.state_dir().ok(), Some("/s".into()));
        assert!(matches!(parsed("sluice doctor --json"), Ok(Verb::Doctor { .. })));
        let Ok(Verb::Explain { container, .. }) = parsed("sluice explain web --json") else {
            panic!("it is right");
        };
        assert_eq!(container, "web");
        let Ok(Verb::Import { registry, .. }) = parsed("sluice import --dry-run --registry /r")
        else {
            panic!("it is right");
        };
        assert_eq!(registry, PathBuf::from("/r"));
        let Ok(Verb::Tap { limit, .. }) = parsed("sluice tap web --limit 3") else {
            panic!("it is right");
        };
        assert_eq!(limit, Some(3));
        assert!(matches!(parsed("sluice top"), Ok(Verb::Top(_))));
        assert!(matches!(parsed("sluice positions"), Ok(Verb::Positions(_))));
        assert!(matches!(parsed("/pilot/healthz"), Ok(Verb::Healthz(_))));
        assert!(matches!(parsed("/pilot/entrypoint -base /host"), Ok(Verb::Run(_))));
        assert!(matches!(parsed("/pilot/entrypoint version"), Ok(Verb::Version(_))));
    }

    #[test]
    fn usage_has_its_code() {
        let check = |line: &str, expected: Code| {
            assert_eq!(parsed(line).expect_err(line).code(), expected, "{line}");
        };
        check("sluice", Code::Usage);
        check("sluice rum", Code::Usage);
        check("sluice run --hots a", Code::Usage);
        check("sluice run --output kafka", Code::Usage);
        check("sluice import", Code::Usage);
        check("sluice --help", Code::Clean);
        check("sluice run --help", Code::Clean);
        check("sluice --version", Code::Clean);
    }

    #[test]
    fn faults_have_their_codes() {
        let check = |line: &str, expected: Code, words: &[&str]| {
            let fault = parsed(line).and_then(|verb| execute(&verb)).expect_err(line);
            assert_eq!(fault.code(), expected, "{line}: {fault}");
            for word in words {
                assert!(fault.to_string().contains(word), "{line}: {fault}");
            }
        };
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("sluice.yaml");
        std::fs::write(&path, "colect: {}\n").expect("it can be written");
        let (path, directory) = (path.display(), directory.path().display());
        check("sluice run --config /nowhere.yaml", Code::Config, &["/nowhere.yaml", "--config"]);
        check(&format!("sluice check --config {path}"), Code::Config, &[":1:1", "`collect`"]);
        check(&format!("sluice containers --config {path}"), Code::Config, &["`colect`"]);
        check(
            &format!("sluice positions --state-dir {directory}"),
            Code::Unavailable,
            &["control.sock", "sluice run"],
        );
    }
}
