//! The node: the pod that was written for log-pilot, and the agent in log-pilot's container.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::common::IN_TIME;
use super::engine::{Container, Engine};
use super::station::until;

pub(crate) const IMAGE: &str = "sluice:manifest";

/// Lines are this far apart, in each of its outputs.
const PAUSE_S: &str = "0.01";

/// A pod with one container and an emptyDir, as the kubelet makes them of Docker's.
pub(crate) struct Pod {
    volume: TempDir,
}

impl Pod {
    pub(crate) fn new() -> Self {
        Self { volume: TempDir::with_prefix("sluice-empty-dir-").expect("a directory") }
    }

    /// What the container has written to its file, however often it was started.
    pub(crate) fn written(&self) -> Vec<String> {
        let path = self.volume.path().join("catalina.2026-11-29.log");
        let text = fs::read_to_string(path).unwrap_or_default();
        // The last one may be half.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(str::to_owned).collect()
    }

    /// The container's next life: so many lines, the same to stdout and to its file.
    pub(crate) fn container<'a>(
        &self,
        engine: &'a Engine,
        attempt: u32,
        lines: u32,
    ) -> Container<'a> {
        let name = format!("k8s_tomcat_tomcat_default_5bd1_{attempt}");
        let script = format!(
            "i=0; while [ $i -lt {lines} ]; do echo line {attempt}-$i; \
             echo line {attempt}-$i >> /usr/local/tomcat/logs/catalina.2026-11-29.log; \
             i=$((i+1)); sleep {PAUSE_S}; done; sleep 600"
        );
        engine
            .run(&name)
            .env("aliyun_logs_catalina", "stdout")
            .env("aliyun_logs_access", "/usr/local/tomcat/logs/catalina.*.log")
            .label("io.kubernetes.pod.name", "tomcat")
            .label("io.kubernetes.pod.namespace", "default")
            .label("io.kubernetes.pod.uid", "5bd1")
            .label("io.kubernetes.container.name", "tomcat")
            .mount(self.volume.path(), "/usr/local/tomcat/logs")
            .sh(&script)
    }

    /// As the kubelet does: the container is killed and removed. Its volume, which goes then, stays
    /// so that it can be compared.
    pub(crate) fn remove(&self, engine: &Engine, mut container: Container<'_>) {
        engine.docker(["kill", "--signal", "KILL", &container.id]);
        container.remove();
    }
}

/// A container that log-pilot had collected for a while: so many lines in stdout and in a file, of which
/// it had read so many.
pub(crate) struct Collected<'a> {
    volume: TempDir,
    container: Container<'a>,
    log: PathBuf,
}

impl<'a> Collected<'a> {
    pub(crate) fn run(engine: &'a Engine, lines: u32) -> Self {
        let volume = TempDir::with_prefix("sluice-collected-").expect("a directory");
        let script = format!(
            "i=0; while [ $i -lt {lines} ]; do echo line $i; echo line $i >> /data/old.log; \
             i=$((i+1)); done; sleep 600"
        );
        let container = engine
            .run("collected")
            .env("aliyun_logs_oldout", "stdout")
            .env("aliyun_logs_oldfile", "/data/old.log")
            .mount(volume.path(), "/data")
            .sh(&script);
        let log = container.directory().join(format!("{}-json.log", container.id));
        let collected = Self { volume, container, log };
        let last = format!("line {}", lines - 1);
        until("the container has written its lines", IN_TIME, || {
            let is_there =
                |path: &Path| fs::read_to_string(path).is_ok_and(|text| text.contains(&last));
            (is_there(&collected.log) && is_there(&collected.file())).then_some(())
        });
        collected
    }

    fn file(&self) -> PathBuf {
        self.volume.path().join("old.log")
    }

    /// fluentd's files of positions, after so many lines of each log.
    pub(crate) fn put_positions(&self, agent: &Agent<'_>, lines: usize) {
        for (log, path) in [("oldout", self.log.clone()), ("oldfile", self.file())] {
            let text = fs::read_to_string(&path).expect("it can be read");
            let offset: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
            let inode = fs::metadata(&path).expect("it is there").ino();
            let line = format!("/host{}\t{offset:016x}\t{inode:016x}\n", path.display());
            let name = format!("{}.{log}.pos", self.container.id);
            fs::write(agent.positions.path().join(name), line).expect("it can be written");
        }
    }
}

/// log-pilot's container, with nothing changed but the image.
pub(crate) struct Agent<'a> {
    engine: &'a Engine,
    host: String,
    port: String,
    /// `/pilot/pos`.
    positions: TempDir,
    container: Option<Container<'a>>,
    number: u32,
}

impl<'a> Agent<'a> {
    /// Not started yet.
    pub(crate) fn new(engine: &'a Engine, url: &str) -> Self {
        let address = url.strip_prefix("http://").expect("a plain server");
        let (host, port) = address.trim_end_matches('/').split_once(':').expect("host and port");
        let positions = TempDir::with_prefix("sluice-pos-").expect("a directory");
        let (host, port) = (host.to_owned(), port.to_owned());
        Self { engine, host, port, positions, container: None, number: 0 }
    }

    pub(crate) fn start(&mut self) {
        self.number += 1;
        let socket = PathBuf::from(self.engine.socket());
        let container = self
            .engine
            .run(&format!("k8s_log-pilot_log-pilot_default_77aa_{}", self.number))
            // The server is on the loopback of the machine.
            .network("host")
            .image(IMAGE)
            .option("--cap-add", "SYS_ADMIN")
            .env("LOGGING_OUTPUT", "elasticsearch")
            .env("ELASTICSEARCH_HOST", &self.host)
            .env("ELASTICSEARCH_PORT", &self.port)
            .env("NODE_NAME", "node-1")
            .mount(&socket, "/var/run/docker.sock")
            .option("--volume", "/:/host:ro")
            .mount(self.positions.path(), "/pilot/pos")
            .option("--volume", "/etc/localtime:/etc/localtime:ro")
            .command(&[]);
        self.container = Some(container);
        until("the agent is well", IN_TIME, || (self.healthz() == 0).then_some(()));
    }

    fn id(&self) -> &str {
        &self.container.as_ref().expect("it runs").id
    }

    /// The probe of the Helm chart.
    pub(crate) fn healthz(&self) -> i32 {
        let output = self.engine.try_docker(["exec", self.id(), "/pilot/healthz"]);
        output.status.code().unwrap_or(-1)
    }

    /// As a rollout does: ended by SIGTERM, and another container in its place.
    pub(crate) fn replace(&mut self) {
        self.engine.docker(["stop", "--time", "30", self.id()]);
        drop(self.container.take());
        self.start();
    }

    /// What happens to an emptyDir at a rollout.
    pub(crate) fn forget_positions(&mut self) {
        self.engine.docker(["stop", "--time", "30", self.id()]);
        for entry in fs::read_dir(self.positions.path()).expect("it is there").flatten() {
            let path = entry.path();
            let gone =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            gone.expect("it can be removed");
        }
    }

    pub(crate) fn log(&self) -> String {
        let output = self.engine.try_docker(["logs", "--tail", "40", self.id()]);
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Documents that this container has delivered, all of which the server had already, once it is so
    /// many and more do not come.
    pub(crate) fn await_read_again(&self, least: u64) -> u64 {
        let mut last = 0;
        let again = until("what is there is read again", IN_TIME, || {
            std::thread::sleep(Duration::from_millis(1_500));
            let now = self.counted("sluice_ship_documents_total");
            let still = now == last && now >= least;
            last = now;
            still.then_some(now)
        });
        assert_eq!(self.counted("sluice_ship_conflicts_total"), again, "each was there");
        again
    }

    /// The agent's own count.
    fn counted(&self, name: &str) -> u64 {
        let mut client = sluice_bench::http::Client::connect("http://127.0.0.1:9600")
            .expect("the agent serves its metrics");
        let answer = client.request("GET", "/metrics", &[], b"").expect("it answers");
        let text = answer.text();
        text.lines()
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum::<f64>() as u64
    }
}
