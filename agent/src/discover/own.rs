//! The agent itself: the container that it runs in, and the node's name.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};

use super::DockerSettings;

/// How long the engine may take to say the node's name: it is asked once, while the agent starts.
const ANSWER: Duration = Duration::from_secs(3);

/// What is known of the container that this process runs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) id: Option<String>,
    /// The host name, if it could be the beginning of an id (Docker's default).
    pub(super) prefix: Option<String>,
}

impl Own {
    pub(super) fn detect() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self::from_text(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"), &machine_name())
    }

    fn from_text(cgroup: &str, mountinfo: &str, host_name: &str) -> Self {
        let id = id_of_mounts(mountinfo).or_else(|| id_of_cgroup(cgroup));
        let prefix = is_short_id(host_name).then(|| host_name.to_owned());
        Self { id, prefix }
    }

    pub(super) fn is(&self, id: &str) -> bool {
        match (&self.id, &self.prefix) {
            (Some(own), _) => own == id,
            (None, Some(prefix)) => id.starts_with(prefix.as_str()),
            (None, None) => false,
        }
    }

    /// True for a name that says which container this is and not which node.
    fn is_own_name(&self, name: &str) -> bool {
        let by_id = self.id.as_deref().is_some_and(|id| name.len() >= 12 && id.starts_with(name));
        by_id || is_short_id(name)
    }
}

/// The node's name: `configured`, else `NODE_NAME`, else what the engine says, else the host's
/// `/etc/hostname`, else this machine's; never the agent's own container's id. `None`: nothing
/// usable, the user must configure one.
pub async fn node_name(settings: &DockerSettings, configured: Option<&str>) -> Option<String> {
    let given = configured.map(str::to_owned).or_else(|| std::env::var("NODE_NAME").ok());
    if let Some(name) = given.map(|name| name.trim().to_owned())
        && !name.is_empty()
    {
        return Some(name);
    }
    let own = Own::detect();
    let by_engine = match &settings.socket {
        Some(socket) => engine_name(socket).await,
        None => None,
    };
    let host_name = fs::read_to_string(settings.host_prefix.join("etc/hostname")).ok();
    first_usable([by_engine, host_name, Some(machine_name())], &own)
}

fn first_usable(names: [Option<String>; 3], own: &Own) -> Option<String> {
    names
        .into_iter()
        .flatten()
        .map(|name| name.trim().to_owned())
        .find(|name| !name.is_empty() && name != "localhost" && !own.is_own_name(name))
}

async fn engine_name(socket: &Path) -> Option<String> {
    let ask = async {
        let docker =
            Docker::connect_with_unix(socket.to_str()?, ANSWER.as_secs(), API_DEFAULT_VERSION)
                .ok()?
                .negotiate_version()
                .await
                .ok()?;
        docker.info().await.ok()?.name
    };
    tokio::time::timeout(ANSWER, ask).await.ok().flatten()
}

fn machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Docker names a container's host by the first twelve digits of its id.
fn is_short_id(name: &str) -> bool {
    (name.len() == 12 || name.len() == 64)
        && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// With cgroup v1, or v2 without a namespace of its own, the path ends in the container:
/// `/docker/<id>`, `/system.slice/docker-<id>.scope`, `/kubepods/…/<id>`.
pub(super) fn id_of_cgroup(table: &str) -> Option<String> {
    table.lines().filter_map(|line| line.splitn(3, ':').nth(2)).find_map(|path| {
        path.split(|letter: char| !letter.is_ascii_alphanumeric())
            .rfind(|word| word.len() == 64 && is_short_id(word))
            .map(str::to_owned)
    })
}

/// The engine mounts three files of the container's directory; field four of mountinfo is where
/// they stand on the host.
fn id_of_mounts(table: &str) -> Option<String> {
    table.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (source, point) = (fields.next()?, fields.next()?);
        if !matches!(point, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf") {
            return None;
        }
        let (_, rest) = source.split_once("containers/")?;
        let id = rest.split('/').next()?;
        (id.len() == 64 && is_short_id(id)).then(|| id.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::ID;
    use super::*;

    #[test]
    fn own_container() {
        let check = |cgroup: &str, mounts: &str, expect: Option<&str>| {
            let own = Own::from_text(&cgroup.replace("ID", ID), &mounts.replace("ID", ID), "node");
            assert_eq!(own.id.as_deref(), expect, "{cgroup} {mounts}");
        };
        check("12:memory:/docker/ID\n1:name=systemd:/docker/ID\n", "", Some(ID));
        check("0::/system.slice/docker-ID.scope\n", "", Some(ID));
        check("5:cpu:/kubepods/besteffort/pod1-2/ID\n", "", Some(ID));
        check("0::/\n", "", None);
        check("0::/system.slice/sluice.service\n", "", None);
        let mount =
            "99 1 8:1 /var/lib/docker/containers/ID/hostname /etc/hostname rw - ext4 x rw\n";
        check("0::/\n", mount, Some(ID));
        check("0::/\n", &mount.replace("/etc/hostname", "/mnt"), None);
        let other = "99 1 8:1 /docker/containers/short/hosts /etc/hosts rw - ext4 x rw\n";
        check("0::/\n", other, None);
    }

    #[test]
    fn a_node_is_not_named_like_its_agents_container() {
        let own = Own::from_text("0::/docker/ID".replace("ID", ID).as_str(), "", &ID[..12]);
        assert_eq!(own.prefix.as_deref(), Some(&ID[..12]));
        let check = |names: [Option<&str>; 3], expect: Option<&str>| {
            let names = names.map(|name| name.map(str::to_owned));
            assert_eq!(first_usable(names, &own).as_deref(), expect);
        };
        check([Some("engine"), Some("host"), Some("machine")], Some("engine"));
        check([None, Some("host\n"), Some("machine")], Some("host"));
        check([None, Some(&ID[..12]), Some("machine")], Some("machine"));
        check([None, Some("\n"), Some(&ID[..12])], None);
        check([None, None, Some(ID)], None);
        check([None, Some("0123456789ab"), None], None);
        check([None, Some("localhost"), Some("cafe")], Some("cafe"));
    }

    #[tokio::test]
    async fn a_configured_name_is_taken_as_it_is() {
        let settings = DockerSettings { socket: None, ..Default::default() };
        assert_eq!(node_name(&settings, Some(" n1 ")).await.as_deref(), Some("n1"));
    }
}
