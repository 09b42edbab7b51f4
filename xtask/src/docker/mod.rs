//! A Docker engine of our own, and the image that tests and the demo run on any engine.

mod engine;
mod image;
mod lives;

pub(crate) use engine::{Engine, docker};
pub(crate) use image::{libraries, load};
pub(crate) use lives::Api;

/// Programs that [`Engine::start`] and [`load`] use, and the Debian packages that have them.
pub(crate) const PROGRAMS: &[(&str, &str)] = &[
    ("dockerd", "docker.io"),
    ("docker", "docker.io"),
    ("containerd", "docker.io"),
    ("runc", "docker.io"),
    ("busybox", "busybox-static"),
];

/// busybox and the load generator, on no base.
pub(crate) const IMAGE: &str = "sluice-test:1";
