//! The directory of a container as dockerd leaves it, for agents that read directories.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::json_file::{JsonFileOptions, JsonFileWriter};
use super::stamp::{Clock, Stamp};
use crate::rng::Rng;

/// What `docker run` was asked for.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    /// 64 hex digits.
    pub id: String,
    /// Without the leading slash.
    pub name: String,
    pub image: String,
    /// `KEY=value`
    pub env: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub log_driver: String,
    /// `max-size`, `max-file`, `compress`, `labels`, `env`, `tag` have their effect in
    /// [`ContainerDir::writer`].
    pub log_options: BTreeMap<String, String>,
    pub mounts: Vec<Mount>,
    pub is_tty: bool,
    pub created: Stamp,
    pub state: RunState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// `bind`, `volume` or `tmpfs`.
    pub kind: String,
    /// Of a volume.
    pub name: String,
    /// On the host.
    pub source: PathBuf,
    /// In the container.
    pub destination: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    Created,
    Running { pid: u32, started: Stamp },
    Exited { code: i32, started: Stamp, finished: Stamp },
}

impl ContainerSpec {
    /// A running busybox with json-file and no options; its id is made from the name.
    pub fn new(name: &str) -> Self {
        let seed = name.bytes().fold(14_695_981_039_346_656_037u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211)
        });
        let mut rng = Rng::new(seed);
        let id = (0..4).map(|_| format!("{:016x}", rng.next())).collect();
        let created = Stamp(1_767_323_044_000_000_001);
        Self {
            id,
            name: name.to_owned(),
            image: "busybox:1.37".to_owned(),
            env: vec![
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            ],
            labels: BTreeMap::new(),
            log_driver: "json-file".to_owned(),
            log_options: BTreeMap::new(),
            mounts: Vec::new(),
            is_tty: false,
            created,
            state: RunState::Running { pid: 4242, started: created },
        }
    }

    #[must_use]
    pub fn image(mut self, image: &str) -> Self {
        image.clone_into(&mut self.image);
        self
    }

    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.env.push(format!("{key}={value}"));
        self
    }

    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    #[must_use]
    pub fn log_option(mut self, key: &str, value: &str) -> Self {
        self.log_options.insert(key.to_owned(), value.to_owned());
        self
    }

    #[must_use]
    pub fn bind(mut self, source: &Path, destination: &str) -> Self {
        self.mounts.push(Mount {
            kind: "bind".to_owned(),
            name: String::new(),
            source: source.to_owned(),
            destination: destination.to_owned(),
        });
        self
    }

    #[must_use]
    pub fn state(mut self, state: RunState) -> Self {
        self.state = state;
        self
    }

    /// What the driver's options come to; an unknown or wrong one is an error, as in dockerd.
    pub fn json_file_options(&self, clock: Clock) -> anyhow::Result<JsonFileOptions> {
        let mut options = JsonFileOptions { clock, ..JsonFileOptions::default() };
        let env: BTreeMap<&str, &str> =
            self.env.iter().filter_map(|pair| pair.split_once('=')).collect();
        for (key, value) in &self.log_options {
            match key.as_str() {
                "max-size" if value == "-1" => options.max_size = None,
                "max-size" => options.max_size = Some(size(value)?),
                "max-file" => options.max_file = value.parse().context("max-file")?,
                "compress" => options.compress = value.parse().context("compress")?,
                "mode" | "max-buffer-size" | "labels" | "env" | "tag" | "labels-regex"
                | "env-regex" => {}
                _ => bail!("unknown log opt '{key}' for json-file log driver"),
            }
        }
        let list =
            |key: &str| self.log_options.get(key).into_iter().flat_map(|text| text.split(','));
        for key in list("labels") {
            if let Some(value) = self.labels.get(key) {
                options.attrs.insert(key.to_owned(), value.clone());
            }
        }
        for key in list("env") {
            if let Some(value) = env.get(key) {
                options.attrs.insert(key.to_owned(), (*value).to_owned());
            }
        }
        if let Some(tag) = self.log_options.get("tag").filter(|tag| !tag.is_empty()) {
            let tag = tag
                .replace("{{.Name}}", &self.name)
                .replace("{{.ImageName}}", &self.image)
                .replace("{{.FullID}}", &self.id)
                .replace("{{.ID}}", &self.id[..12]);
            options.attrs.insert("tag".to_owned(), tag);
        }
        Ok(options)
    }
}

/// One container's directory below `<data root>/containers`.
#[derive(Clone, Debug)]
pub struct ContainerDir {
    path: PathBuf,
    spec: ContainerSpec,
}

impl ContainerDir {
    /// Makes the directory with all its files; the log is there, and empty, once it ran.
    pub fn create(data_root: &Path, spec: ContainerSpec) -> anyhow::Result<Self> {
        let path = data_root.join("containers").join(&spec.id);
        for below in ["checkpoints", "mounts"] {
            let below = path.join(below);
            std::fs::create_dir_all(&below)
                .with_context(|| format!("making {}", below.display()))?;
        }
        let container = Self { path, spec };
        let short = &container.spec.id[..12];
        container.replace("hostname", format!("{short}\n").as_bytes())?;
        container
            .replace("hosts", format!("127.0.0.1\tlocalhost\n172.17.0.2\t{short}\n").as_bytes())?;
        container.replace("resolv.conf", b"nameserver 127.0.0.11\n")?;
        container.save()?;
        if container.spec.state != RunState::Created {
            container.writer(Clock::System)?;
        }
        Ok(container)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn spec(&self) -> &ContainerSpec {
        &self.spec
    }

    /// Where the json-file driver writes.
    pub fn log_path(&self) -> PathBuf {
        self.path.join(format!("{}-json.log", self.spec.id))
    }

    /// A writer with the options that the container was made with.
    pub fn writer(&self, clock: Clock) -> anyhow::Result<JsonFileWriter> {
        JsonFileWriter::new(&self.path, &self.spec.id, self.spec.json_file_options(clock)?)
    }

    pub fn set_state(&mut self, state: RunState) -> anyhow::Result<()> {
        self.spec.state = state;
        self.save()
    }

    pub fn rename(&mut self, name: &str) -> anyhow::Result<()> {
        name.clone_into(&mut self.spec.name);
        self.save()
    }

    /// As `docker rm`: the whole directory goes, logs and all.
    pub fn remove(self) -> anyhow::Result<()> {
        std::fs::remove_dir_all(&self.path)
            .with_context(|| format!("removing {}", self.path.display()))
    }

    fn save(&self) -> anyhow::Result<()> {
        self.replace("hostconfig.json", host_config(&self.spec).to_string().as_bytes())?;
        self.replace("config.v2.json", self.config().to_string().as_bytes())
    }

    /// Through a temporary name, as the daemon does it: a reader sees the old file or the new.
    fn replace(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let fresh = self.path.join(format!(".tmp-{name}"));
        std::fs::write(&fresh, bytes)
            .and_then(|()| std::fs::rename(&fresh, self.path.join(name)))
            .with_context(|| format!("writing {}", self.path.join(name).display()))
    }

    fn config(&self) -> Value {
        let spec = &self.spec;
        let at = |name: &str| self.path.join(name).display().to_string();
        let has_run = spec.state != RunState::Created;
        // `LogPath` is set by this driver only.
        let log_path = if has_run && spec.log_driver == "json-file" {
            self.log_path().display().to_string()
        } else {
            String::new()
        };
        let mut image = Rng::new(spec.image.len() as u64);
        let image: String = (0..4).map(|_| format!("{:016x}", image.next())).collect();
        json!({
            "StreamConfig": {},
            "State": state(&spec.state),
            "ID": spec.id,
            "Created": spec.created.trimmed(),
            "Managed": false,
            "Path": "sh",
            "Args": ["-c", "run"],
            "Config": {
                "Hostname": &spec.id[..12],
                "Domainname": "",
                "User": "",
                "AttachStdin": false,
                "AttachStdout": false,
                "AttachStderr": false,
                "Tty": spec.is_tty,
                "OpenStdin": false,
                "StdinOnce": false,
                "Env": spec.env,
                "Cmd": ["sh", "-c", "run"],
                "Image": spec.image,
                "Volumes": null,
                "WorkingDir": "",
                "Entrypoint": null,
                "OnBuild": null,
                "Labels": spec.labels,
            },
            "Image": format!("sha256:{image}"),
            "ImageManifest": null,
            "NetworkSettings": {
                "Bridge": "",
                "SandboxID": "",
                "SandboxKey": "",
                "HairpinMode": false,
                "LinkLocalIPv6Address": "",
                "LinkLocalIPv6PrefixLen": 0,
                "Networks": {"bridge": {"NetworkID": "", "IPAddress": "172.17.0.2"}},
                "Service": null,
                "Ports": {},
                "SecondaryIPAddresses": null,
                "SecondaryIPv6Addresses": null,
                "HasSwarmEndpoint": false,
            },
            "LogPath": log_path,
            "Name": format!("/{}", spec.name),
            "Driver": "overlay2",
            "OS": "linux",
            "RestartCount": 0,
            "HasBeenStartedBefore": has_run,
            "HasBeenManuallyStopped": false,
            "MountPoints": mount_points(&spec.mounts),
            "SecretReferences": null,
            "ConfigReferences": null,
            "MountLabel": "",
            "ProcessLabel": "",
            "AppArmorProfile": "docker-default",
            "SeccompProfile": "",
            "NoNewPrivileges": false,
            "HostnamePath": at("hostname"),
            "HostsPath": at("hosts"),
            "ShmPath": "",
            "ResolvConfPath": at("resolv.conf"),
            "LocalLogCacheMeta": {"HaveNotifyEnabled": false},
        })
    }
}

fn state(state: &RunState) -> Value {
    const NEVER: &str = "0001-01-01T00:00:00Z";
    let (is_running, pid, code, started, finished) = match *state {
        RunState::Created => (false, 0, 0, NEVER.to_owned(), NEVER.to_owned()),
        RunState::Running { pid, started } => (true, pid, 0, started.trimmed(), NEVER.to_owned()),
        RunState::Exited { code, started, finished } => {
            (false, 0, code, started.trimmed(), finished.trimmed())
        }
    };
    json!({
        "Running": is_running,
        "Paused": false,
        "Restarting": false,
        "OOMKilled": false,
        "RemovalInProgress": false,
        "Dead": false,
        "Pid": pid,
        "ExitCode": code,
        "Error": "",
        "StartedAt": started,
        "FinishedAt": finished,
        "Health": null,
    })
}

fn mount_points(mounts: &[Mount]) -> Value {
    let points = mounts.iter().map(|mount| {
        let source = mount.source.display().to_string();
        let point = json!({
            "Source": source,
            "Destination": mount.destination,
            "RW": true,
            "Name": mount.name,
            "Driver": if mount.kind == "volume" { "local" } else { "" },
            "Type": mount.kind,
            "Propagation": if mount.kind == "bind" { "rprivate" } else { "" },
            "Spec": {"Type": mount.kind, "Source": source, "Target": mount.destination},
            "SkipMountpointCreation": false,
        });
        (mount.destination.clone(), point)
    });
    Value::Object(points.collect())
}

fn host_config(spec: &ContainerSpec) -> Value {
    let binds: Vec<String> = spec
        .mounts
        .iter()
        .filter(|mount| mount.kind == "bind")
        .map(|mount| format!("{}:{}", mount.source.display(), mount.destination))
        .collect();
    json!({
        "Binds": if binds.is_empty() { Value::Null } else { json!(binds) },
        "ContainerIDFile": "",
        "LogConfig": {"Type": spec.log_driver, "Config": spec.log_options},
        "NetworkMode": "bridge",
        "PortBindings": {},
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "AutoRemove": false,
        "VolumeDriver": "",
        "VolumesFrom": null,
        "ConsoleSize": [0, 0],
        "CapAdd": null,
        "CapDrop": null,
        "CgroupnsMode": "private",
        "Dns": [],
        "DnsOptions": [],
        "DnsSearch": [],
        "ExtraHosts": null,
        "GroupAdd": null,
        "IpcMode": "private",
        "Cgroup": "",
        "Links": [],
        "OomScoreAdj": 0,
        "PidMode": "",
        "Privileged": false,
        "PublishAllPorts": false,
        "ReadonlyRootfs": false,
        "SecurityOpt": null,
        "UTSMode": "",
        "UsernsMode": "",
        "ShmSize": 67_108_864,
        "Runtime": "runc",
        "Isolation": "",
        "CpuShares": 0,
        "Memory": 0,
        "NanoCpus": 0,
        "CgroupParent": "",
        "BlkioWeight": 0,
        "Devices": [],
        "DeviceRequests": null,
        "MemorySwap": 0,
        "MemorySwappiness": null,
        "OomKillDisable": null,
        "PidsLimit": null,
        "Ulimits": null,
        "MaskedPaths": ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys"],
        "ReadonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"],
    })
}

/// `10m` is 10 000 000: the daemon's units are decimal here.
fn size(text: &str) -> anyhow::Result<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let (digits, factor) = match lower.chars().last() {
        Some('k') => (&lower[..lower.len() - 1], 1_000),
        Some('m') => (&lower[..lower.len() - 1], 1_000_000),
        Some('g') => (&lower[..lower.len() - 1], 1_000_000_000),
        _ => (lower, 1),
    };
    let number: f64 = digits.parse().with_context(|| format!("size {text:?}"))?;
    Ok((number * f64::from(factor)) as u64)
}

#[cfg(test)]
mod tests {
    use super::super::json_file::Stream;
    use super::*;

    #[test]
    fn the_directory_says_what_the_container_is() {
        let root = tempfile::tempdir().expect("a directory");
        let spec = ContainerSpec::new("web")
            .image("nginx:1.29")
            .env("STAGE", "prod")
            .label("app", "shop")
            .log_option("max-size", "10m")
            .log_option("max-file", "3")
            .log_option("labels", "app")
            .log_option("env", "STAGE")
            .log_option("tag", "{{.Name}}/{{.ID}}");
        let id = spec.id.clone();
        let container = ContainerDir::create(root.path(), spec).expect("is made");
        let read = |name: &str| -> Value {
            let bytes = std::fs::read(container.path().join(name)).expect("is there");
            serde_json::from_slice(&bytes).expect("is JSON")
        };
        let config = read("config.v2.json");
        assert_eq!((&config["Name"], &config["ID"]), (&json!("/web"), &json!(id)));
        assert_eq!(config["LogPath"], json!(container.log_path()));
        assert_eq!(config["Config"]["Labels"]["app"], "shop");
        assert_eq!(config["State"]["Running"], true);
        assert_eq!(read("hostconfig.json")["LogConfig"]["Config"]["max-size"], "10m");
        let options = container.spec().json_file_options(Clock::steps()).expect("are right");
        assert_eq!((options.max_size, options.max_file), (Some(10_000_000), 3));
        let mut writer = container.writer(Clock::steps()).expect("opens");
        writer.write_line(Stream::Stdout, b"hello").expect("writes");
        let expected =
            format!(r#""attrs":{{"STAGE":"prod","app":"shop","tag":"web/{}"}},"time""#, &id[..12]);
        let log = std::fs::read_to_string(container.log_path()).expect("is there");
        assert!(log.contains(&expected), "{log}");
        container.remove().expect("goes");
    }
}
