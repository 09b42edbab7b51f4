//! A volume that was mounted on the host after an agent had started whose view of the host takes
//! over no later mount: it is said by name, with the mend, and helped by a new start.

use std::fs;
use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::json;

use super::common::{Agent, IN_TIME, Node, SOON, sluice, wait_until};
use super::{standin, text};
use sluice_bench::load::ContainerSpec;

/// Unmounted when it is dropped.
struct InMemory<'a>(&'a Path);

impl<'a> InMemory<'a> {
    fn mount(at: &'a Path) -> Self {
        fs::create_dir(at).expect("a directory can be made");
        mount("none", at, "tmpfs", MountFlags::empty(), None).expect("root may mount");
        Self(at)
    }
}

impl Drop for InMemory<'_> {
    fn drop(&mut self) {
        // An agent of a failed test may be in it.
        let _ = unmount(self.0, UnmountFlags::DETACH);
    }
}

#[test]
fn a_volume_that_was_mounted_too_late_is_named_with_its_mend() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: a late mount: only root mounts");
        return;
    }
    let standin = standin();
    let mut node = Node::sending_to(&standin);
    let prefix = node.path().join("host");
    fs::create_dir(&prefix).expect("a directory can be made");
    node.set("docker.host_prefix", json!(prefix));
    let start = || {
        let mut agent = Agent::start_apart(&prefix, &node.config_path(), &node.log_path());
        agent.wait_until_it_runs();
        agent
    };
    let agent = start();
    let at = node.path().join("volume");
    let _volume = InMemory::mount(&at);
    fs::write(at.join("app.log"), "one\ntwo\n").expect("can be written");
    let spec =
        ContainerSpec::new("late").label("sluice.logs.app", "/logs/*.log").bind(&at, "/logs");
    let _container = node.container(spec);

    let explain = || {
        let state = text(&node.state_dir());
        sluice(&["explain", "late", "--state-dir", &state]).stdout
    };
    let named = || {
        let said = explain();
        ["/logs lies on", &text(&at), "tmpfs", "mountPropagation: HostToContainer"]
            .iter()
            .all(|words| said.split_whitespace().collect::<Vec<_>>().join(" ").contains(words))
    };
    assert!(wait_until(SOON, named), "{}", explain());
    let said = agent.said();
    assert_eq!(said.matches("HostToContainer").count(), 1, "{said}");
    assert_eq!(standin.count(), 0);
    agent.terminate();

    let agent = start();
    assert!(standin.wait_count(2, IN_TIME), "{}", explain());
    assert!(!explain().contains("HostToContainer"), "{}", explain());
    agent.terminate();
}
