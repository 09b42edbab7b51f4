//! One agent with what belongs to it: its node's directories, its runs one after the other, and
//! the questions that a person can ask it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use sluice::observe::{ContainerView, ExplainView, PositionView};
use sluice_bench::http::Client;

use super::common::{Agent, Node, SOON, sluice, wait_until};

/// Between two looks at a condition that is awaited, where each look costs a process.
const LOOK: Duration = Duration::from_millis(25);
/// Lines of the agent's log that a failure shows.
const TAIL_LINES: usize = 30;

/// Looks again and again until there is something to be had; a panic names what was awaited.
#[track_caller]
pub(crate) fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "in {limit:?} this did not come: {what}");
        std::thread::sleep(LOOK);
    }
}

pub(crate) struct Station {
    // Before the node, whose directories go when it is dropped.
    agent: Option<Agent>,
    pub(crate) node: Node,
    port: u16,
}

impl Station {
    /// The agent is not started yet.
    pub(crate) fn new(mut node: Node) -> Self {
        let port = sluice_bench::port::free().expect("a port is free");
        node.set("http.listen", format!("127.0.0.1:{port}"));
        Self { agent: None, node, port }
    }

    /// Starts it, and waits until it has listed the containers that there are.
    #[track_caller]
    pub(crate) fn start(&mut self) {
        self.launch();
        let ready = || self.get("/readyz").is_ok_and(|(status, _)| status == 200);
        assert!(wait_until(SOON, ready), "the agent is not ready:\n{}", self.tail());
    }

    /// Starts the process, and nothing more.
    #[track_caller]
    pub(crate) fn launch(&mut self) {
        assert!(self.agent.is_none(), "the agent runs already");
        self.agent = Some(self.node.start());
    }

    /// SIGTERM, and a clean end.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        self.agent.take().expect("the agent runs").terminate();
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.agent.take().expect("the agent runs").kill();
    }

    /// Stands still when this returns.
    pub(crate) fn freeze(&self) {
        let agent = self.agent();
        agent.freeze();
        let stat = format!("/proc/{}/stat", agent.pid());
        until("the agent stands still", SOON, || {
            let stat = std::fs::read_to_string(&stat).ok()?;
            stat.rsplit_once(") ")?.1.starts_with('T').then_some(())
        });
    }

    pub(crate) fn thaw(&self) {
        self.agent().thaw();
    }

    pub(crate) fn agent(&self) -> &Agent {
        self.agent.as_ref().expect("the agent runs")
    }

    #[allow(dead_code, reason = "for the suite `servers`")]
    pub(crate) fn forget_everything(&self) {
        assert!(self.agent.is_none(), "the agent still runs");
        std::fs::remove_dir_all(self.state()).expect("the state can be removed");
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.node.state_dir()
    }

    #[track_caller]
    pub(crate) fn containers(&self) -> Vec<ContainerView> {
        self.ask("containers").unwrap_or_else(|said| panic!("sluice containers: {said}"))
    }

    /// The row of one container, once there is one that pleases.
    #[track_caller]
    pub(crate) fn await_container(
        &self,
        id: &str,
        pleases: impl Fn(&ContainerView) -> bool,
    ) -> ContainerView {
        let mut last = None;
        let mut found = None;
        let seen = wait_until(SOON, || {
            let rows = self.ask::<ContainerView>("containers").unwrap_or_default();
            last = rows.into_iter().find(|row| row.id == id);
            found = last.clone().filter(|row| pleases(row));
            if found.is_none() {
                std::thread::sleep(LOOK);
            }
            found.is_some()
        });
        assert!(seen, "container {id} is shown as {last:?}\n{}", self.tail());
        found.expect("it was seen")
    }

    /// Waits until nothing is left to read or to be acknowledged.
    #[track_caller]
    pub(crate) fn await_idle(&self, limit: Duration) {
        let mut rows = Vec::new();
        let idle = wait_until(limit, || {
            std::thread::sleep(LOOK);
            let Ok(found) = self.ask::<PositionView>("positions") else { return false };
            rows = found;
            rows.iter().all(|row| row.lag_bytes() == 0)
        });
        assert!(idle, "not idle in {limit:?}: {rows:#?}\n{}", self.tail());
    }

    /// The sum of all samples of a metric whose labels hold all of `labels`.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        sum(&self.metrics(), name, labels)
    }

    /// All of them, as they are told.
    #[track_caller]
    pub(crate) fn metrics(&self) -> String {
        let answer = self.get("/metrics");
        let (status, text) =
            answer.unwrap_or_else(|error| panic!("the agent does not answer: {error:#}"));
        assert_eq!(status, 200, "{text}");
        text
    }

    /// Everything that it logged, over all its runs.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.node.log_path()).unwrap_or_default()
    }

    pub(crate) fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    /// What `sluice explain` says of a container.
    #[track_caller]
    #[allow(dead_code, reason = "for the suite `docker`")]
    pub(crate) fn explain(&self, container: &str) -> ExplainView {
        let state = self.state().display().to_string();
        let ended = sluice(&["explain", container, "--json", "--state-dir", &state]);
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        serde_json::from_str(&ended.stdout).expect("its answer is JSON")
    }

    fn ask<Row: DeserializeOwned>(&self, verb: &str) -> Result<Vec<Row>, String> {
        let state = self.state().display().to_string();
        let ended = sluice(&[verb, "--json", "--state-dir", &state]);
        if ended.code() != Some(0) {
            return Err(ended.stderr);
        }
        serde_json::from_str(&ended.stdout).map_err(|error| error.to_string())
    }

    fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let mut client = Client::connect(&format!("http://127.0.0.1:{}", self.port))?;
        client.set_timeout(Some(SOON))?;
        let answer = client.request("GET", path, &[], &[])?;
        Ok((answer.status, answer.text()))
    }
}

/// The sum of all samples of a metric whose labels hold all of `labels`.
pub(crate) fn sum(metrics: &str, name: &str, labels: &[&str]) -> f64 {
    let sample = |line: &str| -> Option<f64> {
        let (shown, value) = line.strip_prefix(name)?.rsplit_once(' ')?;
        let is_it = shown.is_empty() || shown.starts_with('{');
        let fits = is_it && labels.iter().all(|label| shown.contains(label));
        if fits { value.parse().ok() } else { None }
    };
    metrics.lines().filter_map(sample).sum()
}
