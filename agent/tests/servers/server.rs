//! A real server: started for a test, asked over HTTP.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sluice_bench::http::{Client, Response};
use tempfile::TempDir;

use super::station::until;

/// A node closes in well under a second when the machine is quiet.
const STOP_MAX: Duration = Duration::from_secs(30);
/// Of its log, when a test fails.
const TAIL_LINES: usize = 15;
const ANSWER_MAX: Duration = Duration::from_secs(60);

pub(crate) struct Release {
    family: String,
    version: String,
}

impl Release {
    /// `None` where no server can be started, which is said.
    pub(crate) fn given() -> Option<Vec<Self>> {
        let told = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (Some(_), Some(list)) = (told("SLUICE_TEST_XTASK"), told("SLUICE_TEST_SERVERS")) else {
            assert!(
                told("SLUICE_TEST_XTASK").is_none(),
                "cargo xtask test ran this suite and named no server"
            );
            eprintln!("no servers: `cargo xtask test --only servers` brings them and runs this");
            return None;
        };
        let release = |text: &str| {
            let (family, version) = text.trim().split_once(' ').expect("`elasticsearch 8.19.21`");
            Self { family: family.to_owned(), version: version.to_owned() }
        };
        Some(list.split(',').map(release).collect())
    }

    pub(crate) fn major(&self) -> u32 {
        self.version.split('.').next().and_then(|major| major.parse().ok()).expect("a version")
    }

    pub(crate) fn is_elasticsearch(&self) -> bool {
        self.family == "elasticsearch"
    }

    /// Has mapping types still.
    pub(crate) fn is_typed(&self) -> bool {
        self.is_elasticsearch() && self.major() < 7
    }

    /// The setting that makes thread pools of one thread.
    pub(crate) fn one_processor(&self) -> &'static str {
        if self.is_typed() { "processors=1" } else { "node.processors=1" }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.family, self.version)
    }
}

/// Ended when it is dropped, and with the thread that started it.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) is_typed: bool,
    child: Child,
    // After the process, as fields are dropped in order.
    data: TempDir,
}

impl Server {
    /// `settings`: `key=value` each.
    pub(crate) fn start(release: &Release, settings: &[&str]) -> Self {
        let data = TempDir::with_prefix("sluice-server-").expect("a temporary directory");
        let xtask = std::env::var_os("SLUICE_TEST_XTASK").expect("was asked for before");
        let mut command = Command::new(xtask);
        command.args(["server", &release.family, &release.version, "--with-parent"]);
        command.args(["--port", "0", "--data"]).arg(data.path());
        command.args(settings.iter().flat_map(|setting| ["--set", setting]));
        // Servers tell of each refused request at length; it is shown when a test fails.
        let log = data.path().join("server.log");
        let said = File::create(&log).expect("a log can be made");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(said);
        let mut child = command.spawn().expect("xtask can be started");
        let output = child.stdout.take().expect("standard output is piped");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("a line can be read");
        let words: Vec<_> = line.split_whitespace().collect();
        let ["ready", url, "version", version] = words[..] else {
            child.kill().ok();
            child.wait().ok();
            panic!("{release} does not start: {line:?}\n{}", tail(&log));
        };
        assert_eq!(version, release.version, "the server itself says what it is");
        Self { url: url.to_owned(), is_typed: release.is_typed(), child, data }
    }

    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Response {
        let mut client = Client::connect(&self.url).expect("the server takes connections");
        client.set_timeout(Some(ANSWER_MAX)).expect("a timeout can be set");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("content-type", "application/json")];
        let headers = if body.is_empty() { &headers[..0] } else { &headers[..] };
        client.request(method, path, headers, body.as_bytes()).expect("the server answers")
    }

    /// What has to succeed.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.send(method, path, body);
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.text());
        answer.json().expect("the server speaks JSON")
    }

    /// Documents that a search can see now; indices that are not there hold none.
    #[track_caller]
    pub(crate) fn count(&self, indices: &str) -> u64 {
        let ignore = "ignore_unavailable=true&allow_no_indices=true";
        if self.send("POST", &format!("/{indices}/_refresh?{ignore}"), &Value::Null).status >= 300 {
            return 0;
        }
        let answer = self.send("GET", &format!("/{indices}/_count?{ignore}"), &Value::Null);
        if answer.status >= 300 {
            // Shards of a fresh index that have not started yet.
            return 0;
        }
        answer.json().expect("the server speaks JSON")["count"].as_u64().expect("a count")
    }

    #[track_caller]
    pub(crate) fn create_index(&self, name: &str, properties: &Value) {
        self.create_index_of("_doc", name, properties);
    }

    /// With this mapping type, where there are any.
    #[track_caller]
    pub(crate) fn create_index_of(&self, kind: &str, name: &str, properties: &Value) {
        let mappings = json!({"properties": properties});
        let mappings = if self.is_typed { json!({kind: mappings}) } else { mappings };
        self.ask("PUT", &format!("/{name}"), &json!({"mappings": mappings}));
    }

    /// Sets `index.blocks.KEY`, or takes it away.
    #[track_caller]
    pub(crate) fn block(&self, index: &str, key: &str, value: impl Into<Value>) {
        let setting = json!({format!("index.blocks.{key}"): value.into()});
        self.ask("PUT", &format!("/{index}/_settings"), &setting);
    }

    /// The properties of an index's mapping.
    #[track_caller]
    pub(crate) fn properties(&self, index: &str) -> Value {
        let answer = self.ask("GET", &format!("/{index}/_mapping"), &Value::Null);
        let mappings = &answer[index]["mappings"];
        let mappings = if self.is_typed { &mappings["_doc"] } else { mappings };
        mappings["properties"].clone()
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has seen then.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        if std::thread::panicking() {
            eprintln!("the server said:\n{}", tail(&self.data.path().join("server.log")));
            // No second panic out of this one; the machine is busy and the server slow to close.
            self.child.kill().ok();
            self.child.wait().ok();
            return;
        }
        until("the server closes", STOP_MAX, || self.child.try_wait().expect("a child of ours"));
    }
}

/// What dynamic mapping made of log-pilot's documents.
pub(crate) fn log_pilots_properties() -> Value {
    let text =
        json!({"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}});
    let names = [
        "docker_container",
        "host",
        "index",
        "k8s_container_name",
        "k8s_node_name",
        "k8s_pod",
        "k8s_pod_namespace",
        "log",
        "message",
        "stream",
        "topic",
    ];
    let mut properties: serde_json::Map<_, _> =
        names.into_iter().map(|name| (name.to_owned(), text.clone())).collect();
    properties.insert("time".to_owned(), json!({"type": "date"}));
    properties.into()
}
