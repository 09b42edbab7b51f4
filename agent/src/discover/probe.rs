//! Whether containers can be found here.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::core::Finding;

use super::{DockerSettings, containers_dir};
use crate::watch::is_container_id;

/// Sockets of runtimes whose containers are not collected yet.
const OTHERS: [(&str, &str); 3] = [
    ("containerd", "run/containerd/containerd.sock"),
    ("CRI-O", "run/crio/crio.sock"),
    ("podman", "run/podman/podman.sock"),
];

/// The engine's socket, and its directory of containers.
pub fn probe(settings: &DockerSettings) -> Vec<Finding> {
    let mut findings = vec![directory(settings)];
    if let Some(path) = &settings.socket {
        findings.insert(0, socket(path));
    }
    for (name, path) in OTHERS {
        if UnixStream::connect(settings.host_prefix.join(path)).is_ok() {
            let found = "answers; only what a Docker engine runs on it is collected";
            findings.push(Finding::ok(name, found));
        }
    }
    findings
}

fn socket(path: &Path) -> Finding {
    const WHAT: &str = "docker socket";
    match UnixStream::connect(path) {
        Ok(_) => Finding::ok(WHAT, format!("{} answers", path.display())),
        Err(error) => Finding::degraded(
            WHAT,
            format!("{}: {error}; containers are read from their directories", path.display()),
            "mount the socket into the agent's container, or say `docker.socket: off`",
        ),
    }
}

fn directory(settings: &DockerSettings) -> Finding {
    const WHAT: &str = "docker root";
    let path = containers_dir(settings);
    match fs::read_dir(&path) {
        Ok(entries) => {
            let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
            let count = names.filter(|name| is_container_id(name)).count();
            Finding::ok(WHAT, format!("{}, {count} containers", path.display()))
        }
        Err(error) => Finding::broken(
            WHAT,
            format!("{}: {error}: no log can be read", path.display()),
            "run as root, mount the engine's data root into the agent's container at \
             `docker.host_prefix`, or name it with `docker.root`",
        ),
    }
}
