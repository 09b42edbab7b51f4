//! The configuration as meant.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::elasticsearch::{self, Elasticsearch};
use super::error::ConfigError;
use super::file::{self, File};
use super::pilot::{Profile, Remark};
use super::surroundings::Surroundings;
use super::text::{Spot, Text, expand};
use super::units;
use super::values::{
    absolute, auto_or, label_pattern, listen, node_label, number, off_or, prefix, read_from_text,
    size, socket_path, target_name, zone,
};
use crate::core::limits;
use crate::discover::opens;
use crate::encode::Zone;
use crate::watch::RungName;

/// Everything that can be set, checked once.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub state_dir: PathBuf,
    /// The node's name that every document carries; `None`: the machine and the runtime are asked.
    pub node: Option<String>,
    pub workers: NonZeroUsize,
    pub read_from: ReadFrom,
    pub collect: Collect,
    pub declare: Declare,
    /// Where containers go that declare no target.
    pub target: String,
    /// In which a record's time decides its daily index.
    pub target_zone: Zone,
    pub shape: Shape,
    pub event_bytes_max: usize,
    /// How long an unfinished line waits for its rest.
    pub partial_timeout: Duration,
    pub batch: Batching,
    pub compression: Compression,
    pub docker: Docker,
    pub output: Output,
    /// `None`: no HTTP at all.
    pub http_listen: Option<SocketAddr>,
    pub log: Log,
    pub watch: Watch,
    /// How long SIGTERM waits for receipts.
    pub shutdown_timeout: Duration,
    /// In whose place the agent stands, if in log-pilot's.
    pub profile: Option<Profile>,
    /// What is to be said of the environment once the log is open.
    pub remarks: Vec<Remark>,
}

/// The language of declarations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declare {
    /// Of `<prefix>_logs_<name>` and `<prefix>.logs.<name>`; at least one.
    pub prefixes: Vec<String>,
}

/// Where a file is begun that no checkpoint knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    Head,
    Now,
    /// At the first record that is not older.
    Age(Duration),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collect {
    pub stdout: Stdout,
    pub files: Files,
    /// Patterns of names and paths in containers that are no logs.
    pub files_deny: Vec<String>,
    /// Patterns (`*` and `?`) of label names that go into documents.
    pub labels: Vec<String>,
}

/// Whose stdout is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdout {
    All,
    Declared,
}

/// Which files of containers are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Those that are declared; the others that look like logs are shown.
    Declared,
    /// All that look like logs.
    Discovered,
    Off,
}

/// The names of fields in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Ecs,
    Pilot,
    PilotStrict,
}

const SHAPES: [(&str, Shape); 3] =
    [("ecs", Shape::Ecs), ("pilot", Shape::Pilot), ("pilot-strict", Shape::PilotStrict)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Of the body before compression.
    pub bytes: usize,
    pub flush_interval: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    pub codec: Codec,
    /// 1 to 9; only the codec `zlib-rs` looks at it.
    pub level: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Our own gzip.
    Sluice,
    ZlibRs,
    /// No compression at all.
    Stored,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Docker {
    /// `None`: the containers' directory alone tells what there is.
    pub socket: Option<PathBuf>,
    /// The engine's data root, as the host names it.
    pub root: PathBuf,
    /// Where the host's `/` is mounted for the agent; it goes before every path that the runtime
    /// names, the root included, but not before the socket.
    pub host_prefix: PathBuf,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    Console,
    Elasticsearch(Box<Elasticsearch>),
}

/// How news of files come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The best way that is tried.
    pub rung: RungName,
    /// Not to run without a kernel watcher.
    pub require_kernel: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    pub level: LogLevel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Ours, and log-pilot's.
const PREFIXES: [&str; 2] = ["sluice", "aliyun"];
/// A batch below this is mostly overhead of its request.
const BATCH_BYTES_MIN: usize = 16 << 10;
/// Documents are addressed by 32 bits in a batch, and no server takes a body beyond 100 MiB.
const BATCH_BYTES_MAX: usize = 64 << 20;
/// An event is at least one full piece of Docker's, with room for its escapes.
const EVENT_BYTES_MIN: usize = 128 << 10;
/// A worker's carry budget must hold an unfinished event of each stream.
const EVENT_BYTES_LIMIT: usize = limits::CARRY_BYTES_MAX / 2;
/// More threads than any node has cores for logs are a slip of the finger.
const WORKERS_MAX: usize = 256;
/// `auto` leaves the node its other cores.
const WORKERS_AUTO_MAX: usize = 4;

const _: () = assert!(limits::EVENT_BYTES_MAX >= EVENT_BYTES_MIN);
const _: () = assert!(limits::EVENT_BYTES_MAX <= EVENT_BYTES_LIMIT);
const _: () = assert!(limits::BATCH_BYTES >= BATCH_BYTES_MIN);
const _: () = assert!(limits::BATCH_BYTES <= BATCH_BYTES_MAX);

pub(super) fn check(
    file: &File,
    path: &Path,
    surroundings: &Surroundings,
) -> Result<Config, ConfigError> {
    let File {
        state_dir,
        node,
        workers,
        read_from,
        collect,
        declare,
        target,
        target_zone,
        shape,
        event_bytes_max,
        partial_timeout,
        batch,
        compression,
        docker,
        output,
        http,
        log,
        watch,
        shutdown_timeout,
    } = file;
    let reader = Reader { path, variables: &surroundings.variables };
    let docker = check_docker(&reader, docker)?;
    let event_range = EVENT_BYTES_MIN..=EVENT_BYTES_LIMIT;
    let workers_auto = surroundings.cores.clamp(1, WORKERS_AUTO_MAX);
    Ok(Config {
        state_dir: reader
            .value("state_dir", state_dir.as_ref(), absolute)?
            .unwrap_or_else(|| "/var/lib/sluice".into()),
        node: reader.value("node", node.as_ref(), auto_or(node_label))?.flatten(),
        workers: reader
            .value("workers", workers.as_ref(), auto_or(|text| number(text, 1..=WORKERS_MAX)))?
            .flatten()
            .and_then(NonZeroUsize::new)
            .or(NonZeroUsize::new(workers_auto))
            .unwrap_or(NonZeroUsize::MIN),
        read_from: reader
            .value("read_from", read_from.as_ref(), read_from_text)?
            .unwrap_or(ReadFrom::Head),
        collect: Collect {
            stdout: reader
                .choice(
                    "collect.stdout",
                    collect.stdout.as_ref(),
                    &[("all", Stdout::All), ("declared", Stdout::Declared)],
                )?
                .unwrap_or(Stdout::All),
            files: reader
                .choice(
                    "collect.files",
                    collect.files.as_ref(),
                    &[
                        ("declared", Files::Declared),
                        ("discovered", Files::Discovered),
                        ("off", Files::Off),
                    ],
                )?
                .unwrap_or(Files::Declared),
            files_deny: match &collect.files_deny.0[..] {
                [] => opens::DENY.map(str::to_owned).to_vec(),
                _ => reader.values("collect.files_deny", &collect.files_deny, label_pattern)?,
            },
            labels: reader.values("collect.labels", &collect.labels, label_pattern)?,
        },
        declare: Declare {
            prefixes: match &declare.prefixes.0[..] {
                [] => PREFIXES.map(str::to_owned).to_vec(),
                _ => prefixes(&reader, &declare.prefixes)?,
            },
        },
        target: reader
            .value("target", target.as_ref(), target_name)?
            .unwrap_or_else(|| "sluice".to_owned()),
        target_zone: reader.value("target_zone", target_zone.as_ref(), zone)?.unwrap_or(Zone::Utc),
        shape: reader.choice("shape", shape.as_ref(), &SHAPES)?.unwrap_or(Shape::Ecs),
        event_bytes_max: reader
            .value("event_bytes_max", event_bytes_max.as_ref(), |text| size(text, event_range))?
            .unwrap_or(limits::EVENT_BYTES_MAX),
        partial_timeout: reader
            .value("partial_timeout", partial_timeout.as_ref(), units::duration)?
            .unwrap_or(Duration::from_secs(5)),
        batch: check_batch(&reader, batch)?,
        compression: check_compression(&reader, compression)?,
        docker,
        output: check_output(&reader, output)?,
        http_listen: reader
            .value("http.listen", http.listen.as_ref(), off_or(listen))?
            .unwrap_or(Some(SocketAddr::from(([127, 0, 0, 1], 9600)))),
        log: check_log(&reader, log)?,
        watch: check_watch(&reader, watch)?,
        shutdown_timeout: reader
            .value("shutdown_timeout", shutdown_timeout.as_ref(), units::duration)?
            .unwrap_or(Duration::from_secs(20)),
        profile: None,
        remarks: Vec::new(),
    })
}

/// A list of commas and blanks would leave nothing that anybody could declare with.
fn prefixes(reader: &Reader<'_>, texts: &file::Texts) -> Result<Vec<String>, ConfigError> {
    let prefixes = reader.values("declare.prefixes", texts, prefix)?;
    if prefixes.is_empty() {
        return Err(reader.combination("`declare.prefixes` is empty; leave it out, or name one"));
    }
    Ok(prefixes)
}

fn check_batch(reader: &Reader<'_>, batch: &file::Batch) -> Result<Batching, ConfigError> {
    let file::Batch { bytes, flush_interval } = batch;
    let range = BATCH_BYTES_MIN..=BATCH_BYTES_MAX;
    Ok(Batching {
        bytes: reader
            .value("batch.bytes", bytes.as_ref(), |text| size(text, range))?
            .unwrap_or(limits::BATCH_BYTES),
        flush_interval: reader
            .value("batch.flush_interval", flush_interval.as_ref(), units::duration)?
            .unwrap_or(Duration::from_millis(250)),
    })
}

fn check_compression(
    reader: &Reader<'_>,
    compression: &file::Compression,
) -> Result<Compression, ConfigError> {
    let file::Compression { codec, level } = compression;
    let codecs = [
        ("auto", None),
        ("sluice", Some(Codec::Sluice)),
        ("zlib-rs", Some(Codec::ZlibRs)),
        ("stored", Some(Codec::Stored)),
    ];
    let codec = reader.choice("compression.codec", codec.as_ref(), &codecs)?.flatten();
    let level = reader.value("compression.level", level.as_ref(), |text| number(text, 1..=9))?;
    // Whoever names a level wants what it stands for, and only one codec has levels.
    let auto = if level.is_some() { Codec::ZlibRs } else { Codec::Sluice };
    Ok(Compression { codec: codec.unwrap_or(auto), level: level.map_or(1, |level| level as u8) })
}

fn check_docker(reader: &Reader<'_>, docker: &file::Docker) -> Result<Docker, ConfigError> {
    let file::Docker { socket, root, host_prefix } = docker;
    Ok(Docker {
        socket: reader
            .value("docker.socket", socket.as_ref(), off_or(socket_path))?
            .unwrap_or_else(|| Some("/var/run/docker.sock".into())),
        root: reader
            .value("docker.root", root.as_ref(), absolute)?
            .unwrap_or_else(|| "/var/lib/docker".into()),
        host_prefix: reader
            .value("docker.host_prefix", host_prefix.as_ref(), absolute)?
            .unwrap_or_else(|| "/".into()),
    })
}

fn check_output(reader: &Reader<'_>, output: &file::Output) -> Result<Output, ConfigError> {
    match (&output.elasticsearch, &output.console) {
        (None, None | Some(file::Console {})) => Ok(Output::Console),
        (Some(written), None) => {
            Ok(Output::Elasticsearch(Box::new(elasticsearch::check(reader, written)?)))
        }
        (Some(_), Some(_)) => Err(reader
            .combination("`output` names both `elasticsearch` and `console`; keep one of them")),
    }
}

fn check_log(reader: &Reader<'_>, log: &file::Log) -> Result<Log, ConfigError> {
    let file::Log { format, level } = log;
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    Ok(Log {
        format: reader.choice("log.format", format.as_ref(), &formats)?.unwrap_or(LogFormat::Text),
        level: reader.choice("log.level", level.as_ref(), &levels)?.unwrap_or(LogLevel::Info),
    })
}

fn check_watch(reader: &Reader<'_>, watch: &file::Watch) -> Result<Watch, ConfigError> {
    let file::Watch { rung, require } = watch;
    let rungs = [
        ("auto", RungName::Fexit),
        ("fexit", RungName::Fexit),
        ("kprobe", RungName::Kprobe),
        ("tracepoint", RungName::Tracepoint),
        ("inotify", RungName::Inotify),
        ("poll", RungName::Poll),
    ];
    let requirements = [("none", false), ("ebpf", true)];
    let rung = reader.choice("watch.rung", rung.as_ref(), &rungs)?.unwrap_or(RungName::Fexit);
    let required = reader.choice("watch.require", require.as_ref(), &requirements)?;
    let require_kernel = required.unwrap_or(false);
    if require_kernel && !rung.is_kernel() {
        return Err(reader.combination(
            "`watch.require` is `ebpf` and `watch.rung` leaves it out; drop one of them",
        ));
    }
    Ok(Watch { rung, require_kernel })
}

/// Takes texts apart, and knows what an error has to name.
pub(super) struct Reader<'a> {
    pub(super) path: &'a Path,
    pub(super) variables: &'a BTreeMap<String, String>,
}

impl Reader<'_> {
    /// Expands the text and parses it; `parse` says in its error what would have fitted.
    pub(super) fn value<T>(
        &self,
        key: &'static str,
        text: Option<&Text>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = text else { return Ok(None) };
        let value = self.expanded(key, text)?;
        match parse(&value) {
            Ok(parsed) => Ok(Some(parsed)),
            Err(expected) => Err(self.misfit(key, text.spot, value, expected)),
        }
    }

    /// A list; each text of it may hold several values with commas between.
    pub(super) fn values<T>(
        &self,
        key: &'static str,
        texts: &file::Texts,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, ConfigError> {
        let mut values = Vec::new();
        for text in &texts.0 {
            let whole = self.expanded(key, text)?;
            for value in whole.split(',').map(str::trim).filter(|value| !value.is_empty()) {
                let parsed = parse(value)
                    .map_err(|expected| self.misfit(key, text.spot, value.to_owned(), expected))?;
                values.push(parsed);
            }
        }
        Ok(values)
    }

    pub(super) fn choice<T: Copy>(
        &self,
        key: &'static str,
        text: Option<&Text>,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, ConfigError> {
        self.value(key, text, |value| {
            choices.iter().find(|(name, _)| *name == value).map(|(_, choice)| *choice).ok_or_else(
                || {
                    let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
                    format!("expected {}", names.join(" or "))
                },
            )
        })
    }

    pub(super) fn expanded(&self, key: &'static str, text: &Text) -> Result<String, ConfigError> {
        // What a variable holds is never looked at again.
        if let Spot::Variable(_) = text.spot {
            return Ok(text.raw.clone());
        }
        expand(&text.raw, self.variables).map_err(|source| ConfigError::Expand {
            place: text.spot.place(self.path),
            key,
            source,
        })
    }

    pub(super) fn misfit(
        &self,
        key: &'static str,
        spot: Spot,
        value: String,
        expected: String,
    ) -> ConfigError {
        ConfigError::Value { place: spot.place(self.path), key, value: shown(value), expected }
    }

    pub(super) fn combination(&self, message: impl Into<String>) -> ConfigError {
        ConfigError::Combination { path: self.path.to_owned(), message: message.into() }
    }
}

/// Without what may be a password: people put them into URLs.
fn shown(value: String) -> String {
    match (value.find("://"), value.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://…{}", &value[..scheme], &value[at..])
        }
        _ => value,
    }
}
