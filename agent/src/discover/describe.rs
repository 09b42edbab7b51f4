//! What the engine says of a container, on disk (`config.v2.json`, `hostconfig.json`) and by its
//! API, as one type.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use bollard::models::ContainerInspectResponse;
use serde::{Deserialize, Deserializer};

use super::{Container, Mount, MountSource, State};

/// One account of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// With `log_path` as the *host* names it.
    pub(super) container: Container,
    /// When it last started or ended by the engine's clock, in nanoseconds since the Unix epoch:
    /// of two accounts the one with the later time is the newer.
    pub(super) changed_wall_ns: i64,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum DescribeError {
    #[error("cannot parse config.v2.json of container {id}: {source}")]
    Config { id: String, source: serde_json::Error },
}

/// Reads both files' bytes. Fields of other versions are passed over, and one of an unexpected
/// shape is as good as absent. `host_config` may be missing: `docker rm` deletes it first.
pub(super) fn from_files(
    id: &str,
    config: &[u8],
    host_config: Option<&[u8]>,
) -> Result<View, DescribeError> {
    let file: ConfigFile = serde_json::from_slice(config)
        .map_err(|source| DescribeError::Config { id: id.to_owned(), source })?;
    let host: HostConfigFile =
        host_config.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
    let process = file.config.unwrap_or_default();
    let state = file.state.unwrap_or_default();
    let log = host.log_config.unwrap_or_default();
    let started = nanoseconds(state.started_at.as_deref());
    let finished = nanoseconds(state.finished_at.as_deref());
    let container = Container {
        id: id.to_owned(),
        name: plain_name(file.name),
        image: process.image.unwrap_or_default(),
        env: split_env(process.env),
        labels: process.labels.unwrap_or_default(),
        log_driver: log.kind.unwrap_or_default(),
        log_options: log.config.unwrap_or_default(),
        log_path: file.log_path.filter(|path| !path.is_empty()).map(PathBuf::from),
        created_wall_ns: nanoseconds(file.created.as_deref()),
        state: judge(state.running || state.restarting, state.dead, started),
        tty: process.tty,
        mounts: mounts(file.mounts.unwrap_or_default().into_values().map(MountFile::given)),
    };
    Ok(View { container, changed_wall_ns: started.max(finished) })
}

pub(super) fn from_api(id: &str, answer: ContainerInspectResponse) -> View {
    let process = answer.config.unwrap_or_default();
    let given = answer.mounts.unwrap_or_default().into_iter().map(|mount| GivenMount {
        is_volume: mount.typ.is_some_and(|kind| kind == "volume"),
        name: mount.name.unwrap_or_default(),
        driver: mount.driver.unwrap_or_default(),
        source: mount.source.unwrap_or_default(),
        destination: mount.destination.unwrap_or_default(),
    });
    let mounts = mounts(given);
    let state = answer.state.unwrap_or_default();
    let log = answer.host_config.and_then(|host| host.log_config).unwrap_or_default();
    let started = nanoseconds(state.started_at.as_deref());
    let finished = nanoseconds(state.finished_at.as_deref());
    let is = |flag: Option<bool>| flag.unwrap_or_default();
    let container = Container {
        id: id.to_owned(),
        name: plain_name(answer.name),
        image: process.image.unwrap_or_default(),
        env: split_env(process.env),
        labels: ordered(process.labels),
        log_driver: log.typ.unwrap_or_default(),
        log_options: ordered(log.config),
        log_path: answer.log_path.filter(|path| !path.is_empty()).map(PathBuf::from),
        created_wall_ns: nanoseconds(answer.created.as_deref()),
        state: judge(is(state.running) || is(state.restarting), is(state.dead), started),
        tty: is(process.tty),
        mounts,
    };
    View { container, changed_wall_ns: started.max(finished) }
}

/// A mount as either account has it.
struct GivenMount {
    is_volume: bool,
    name: String,
    driver: String,
    source: String,
    destination: String,
}

/// By destination. Those without a place on the host (tmpfs) are left out.
fn mounts(given: impl Iterator<Item = GivenMount>) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = given
        .filter_map(|given| {
            // On disk a volume of the engine's own has a name and no source.
            let source = if given.is_volume && given.driver == "local" {
                MountSource::Volume(given.name)
            } else if given.source.is_empty() {
                return None;
            } else {
                MountSource::Path(given.source.into())
            };
            Some(Mount { destination: given.destination.into(), source })
        })
        .collect();
    mounts.sort();
    mounts
}

/// One that waits for its restart has closed its log but goes on with it: it counts as running.
fn judge(running: bool, dead: bool, started_wall_ns: i64) -> State {
    match (running && !dead, started_wall_ns) {
        (true, _) => State::Running,
        (false, 0) => State::Created,
        (false, _) => State::Exited,
    }
}

fn plain_name(name: Option<String>) -> String {
    let name = name.unwrap_or_default();
    name.strip_prefix('/').map(str::to_owned).unwrap_or(name)
}

/// An entry without `=` names a variable that is *not* set.
fn split_env(env: Option<Vec<String>>) -> Vec<(String, String)> {
    let pair = |entry: &String| {
        entry.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    env.unwrap_or_default().iter().filter_map(pair).collect()
}

fn ordered(map: Option<HashMap<String, String>>) -> BTreeMap<String, String> {
    map.unwrap_or_default().into_iter().collect()
}

/// 0 for "never", which Go writes as the first of January of the year 1.
fn nanoseconds(time: Option<&str>) -> i64 {
    let Some(Ok(time)) = time.map(str::parse::<jiff::Timestamp>) else { return 0 };
    i64::try_from(time.as_nanosecond()).unwrap_or(0).max(0)
}

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(rename = "Name", default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(rename = "Created", default, deserialize_with = "lenient")]
    created: Option<String>,
    #[serde(rename = "LogPath", default, deserialize_with = "lenient")]
    log_path: Option<String>,
    #[serde(rename = "State", default, deserialize_with = "lenient")]
    state: Option<StateFile>,
    #[serde(rename = "Config", default, deserialize_with = "lenient")]
    config: Option<ProcessFile>,
    #[serde(rename = "MountPoints", default, deserialize_with = "lenient")]
    mounts: Option<BTreeMap<String, MountFile>>,
}

#[derive(Default, Deserialize)]
struct MountFile {
    #[serde(rename = "Type", default, deserialize_with = "lenient")]
    kind: Option<String>,
    #[serde(rename = "Name", default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(rename = "Driver", default, deserialize_with = "lenient")]
    driver: Option<String>,
    #[serde(rename = "Source", default, deserialize_with = "lenient")]
    source: Option<String>,
    #[serde(rename = "Destination", default, deserialize_with = "lenient")]
    destination: Option<String>,
}

impl MountFile {
    fn given(self) -> GivenMount {
        GivenMount {
            is_volume: self.kind.is_some_and(|kind| kind == "volume"),
            name: self.name.unwrap_or_default(),
            driver: self.driver.unwrap_or_default(),
            source: self.source.unwrap_or_default(),
            destination: self.destination.unwrap_or_default(),
        }
    }
}

#[derive(Default, Deserialize)]
struct StateFile {
    #[serde(rename = "Running", default)]
    running: bool,
    #[serde(rename = "Restarting", default)]
    restarting: bool,
    #[serde(rename = "Dead", default)]
    dead: bool,
    #[serde(rename = "StartedAt", default, deserialize_with = "lenient")]
    started_at: Option<String>,
    #[serde(rename = "FinishedAt", default, deserialize_with = "lenient")]
    finished_at: Option<String>,
}

#[derive(Default, Deserialize)]
struct ProcessFile {
    #[serde(rename = "Image", default, deserialize_with = "lenient")]
    image: Option<String>,
    #[serde(rename = "Env", default, deserialize_with = "lenient")]
    env: Option<Vec<String>>,
    #[serde(rename = "Labels", default, deserialize_with = "lenient")]
    labels: Option<BTreeMap<String, String>>,
    #[serde(rename = "Tty", default)]
    tty: bool,
}

#[derive(Default, Deserialize)]
struct HostConfigFile {
    #[serde(rename = "LogConfig", default, deserialize_with = "lenient")]
    log_config: Option<LogFile>,
}

#[derive(Default, Deserialize)]
struct LogFile {
    #[serde(rename = "Type", default, deserialize_with = "lenient")]
    kind: Option<String>,
    #[serde(rename = "Config", default, deserialize_with = "lenient")]
    config: Option<BTreeMap<String, String>>,
}

/// A field that is null or of another shape is absent; the rest of the file still counts.
fn lenient<'a, D: Deserializer<'a>, T: serde::de::DeserializeOwned>(
    input: D,
) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(input)?;
    Ok(serde_json::from_value(value).ok())
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn as_docker_20_leaves_it() {
        let view = from_files(
            fixture::ID,
            fixture::config("/web", "exited").as_bytes(),
            Some(fixture::host_config("json-file").as_bytes()),
        )
        .unwrap();
        let container = view.container;
        assert_eq!(container.id, fixture::ID);
        assert_eq!(container.name, "web");
        assert_eq!(container.image, "nginx:1.27");
        assert_eq!(
            container.env,
            [("A".to_owned(), "b=c".to_owned()), ("EMPTY".to_owned(), String::new())]
        );
        assert_eq!(container.labels["x.y"], "z");
        assert_eq!(container.log_driver, "json-file");
        assert_eq!(container.log_options["max-size"], "1m");
        assert_eq!(container.state, State::Exited);
        assert_eq!(container.created_wall_ns, 1_795_597_455_913_845_160);
        assert_eq!(view.changed_wall_ns, 1_795_597_456_146_720_477);
        assert!(container.log_path.unwrap().ends_with(format!("{0}/{0}-json.log", fixture::ID)));
    }

    #[test]
    fn both_accounts_have_the_same_mounts() {
        let file = r#"{"MountPoints":{
            "/data":{"Source":"","Destination":"/data","RW":true,"Name":"v","Driver":"local",
                "Type":"volume"},
            "/etc/x":{"Source":"/srv/x","Destination":"/etc/x","RW":false,"Type":"bind"},
            "/tmp":{"Source":"","Destination":"/tmp","Type":"tmpfs"}}}"#;
        let api = r#"{"Mounts":[
            {"Type":"bind","Source":"/srv/x","Destination":"/etc/x","Mode":"","RW":false},
            {"Type":"volume","Name":"v","Source":"/var/lib/docker/volumes/v/_data",
                "Destination":"/data","Driver":"local","Mode":"z","RW":true},
            {"Type":"tmpfs","Source":"","Destination":"/tmp"}]}"#;
        let mount = |destination: &str, source| Mount { destination: destination.into(), source };
        let expect = [
            mount("/data", MountSource::Volume("v".into())),
            mount("/etc/x", MountSource::Path("/srv/x".into())),
        ];
        let of_file = from_files("a", file.as_bytes(), None).unwrap().container.mounts;
        let answer = serde_json::from_str(api).unwrap();
        assert_eq!(of_file, expect);
        assert_eq!(from_api("a", answer).container.mounts, expect);
    }

    #[test]
    fn states() {
        let check = |state: &str, expect: State| {
            let text = format!("{{\"State\":{state}}}");
            let view = from_files("a", text.as_bytes(), None).unwrap();
            assert_eq!(view.container.state, expect, "{state}");
        };
        check("{}", State::Created);
        check("null", State::Created);
        check(r#"{"Running":true,"StartedAt":"2026-11-25T09:04:16.1Z"}"#, State::Running);
        check(r#"{"Running":true,"Restarting":true}"#, State::Running);
        check(r#"{"Running":false,"StartedAt":"2026-11-25T09:04:16Z"}"#, State::Exited);
        check(r#"{"Running":false,"StartedAt":"0001-01-01T00:00:00Z"}"#, State::Created);
        check(r#"{"Dead":true,"StartedAt":"2026-11-25T09:04:16Z"}"#, State::Exited);
        // `docker rm` of one that never ran.
        check(r#"{"Dead":true}"#, State::Created);
    }

    #[test]
    fn unknown_and_odd_fields_do_not_hide_the_rest() {
        let text = r#"{"New":[1],"Name":7,"Config":{"Image":"a:1","Env":{"a":1},"Labels":null,
            "Tty":true},"Created":"yesterday"}"#;
        let view = from_files("a", text.as_bytes(), Some(b"half of i")).unwrap();
        assert_eq!(view.container.image, "a:1");
        assert!(view.container.tty);
        assert!(view.container.name.is_empty() && view.container.env.is_empty());
        assert!(view.container.log_driver.is_empty());
        assert_eq!(view.container.created_wall_ns, 0);
    }

    #[test]
    fn half_written_files_are_errors_at_every_length() {
        let whole = fixture::config("/web", "running");
        for length in 0..whole.trim_end().len() {
            let error = from_files("a", &whole.as_bytes()[..length], None).unwrap_err();
            assert!(error.to_string().contains("container a"));
        }
    }

    #[test]
    fn a_megabyte_of_environment() {
        let value = "v".repeat(1 << 20);
        let text = format!(r#"{{"Config":{{"Env":["BIG={value}","UNSET"]}}}}"#);
        let view = from_files("a", text.as_bytes(), None).unwrap();
        assert_eq!(view.container.env, [("BIG".to_owned(), value)]);
    }

    #[test]
    fn the_api_says_the_same() {
        let answer = serde_json::from_str(&fixture::inspect("/web", "exited")).unwrap();
        let by_file = from_files(
            fixture::ID,
            fixture::config("/web", "exited").as_bytes(),
            Some(fixture::host_config("json-file").as_bytes()),
        );
        assert_eq!(from_api(fixture::ID, answer), by_file.unwrap());
    }
}
