//! An image as one tar that both `docker load` and the tools of OCI read: an OCI image layout with
//! Docker's `manifest.json` beside it, which points into the same blobs.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::layer::Layer;

pub(super) struct Image {
    tag: String,
    config: Blob,
    manifest: Blob,
    layer: Blob,
}

struct Blob {
    /// Hexadecimal SHA-256.
    digest: String,
    bytes: Vec<u8>,
}

/// Nothing in the image is of the time when it was made.
const CREATED: &str = "1970-01-01T00:00:00Z";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

impl Image {
    pub(super) fn new(tag: &str, layer: Vec<u8>) -> Result<Self> {
        let layer = Blob::new(layer);
        let config = Blob::new(serde_json::to_vec(&json!({
            "architecture": architecture(),
            "os": "linux",
            "created": CREATED,
            "config": {
                "Entrypoint": ["/pilot/entrypoint"],
                "Env": ["PATH=/usr/bin"],
                "WorkingDir": "/",
                "StopSignal": "SIGTERM",
                "Labels": {
                    "org.opencontainers.image.title": "sluice",
                    "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
                    "org.opencontainers.image.licenses": "Apache-2.0 OR MIT",
                },
            },
            "rootfs": {"type": "layers", "diff_ids": [layer.named()]},
            "history": [{"created": CREATED, "created_by": "cargo xtask image"}],
        }))?);
        let manifest = Blob::new(serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(CONFIG),
            "layers": [layer.descriptor(LAYER)],
        }))?);
        Ok(Self { tag: tag.to_owned(), config, manifest, layer })
    }

    /// As `docker images` shows it.
    pub(super) fn id(&self) -> String {
        self.config.named()
    }

    pub(super) fn archive(&self) -> Result<Vec<u8>> {
        let mut archive = Layer::default();
        archive.file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        let mut reference = self.manifest.descriptor(MANIFEST);
        let tag = self.tag.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        reference["annotations"] = json!({
            "io.containerd.image.name": format!("docker.io/library/{}", self.tag),
            "org.opencontainers.image.ref.name": tag,
        });
        let index = json!({"schemaVersion": 2, "manifests": [reference]});
        archive.file("index.json", 0o644, &serde_json::to_vec(&index)?)?;
        let docker = json!([{
            "Config": self.config.path(),
            "RepoTags": [self.tag],
            "Layers": [self.layer.path()],
        }]);
        archive.file("manifest.json", 0o644, &serde_json::to_vec(&docker)?)?;
        archive.directory("blobs", 0o755)?;
        archive.directory("blobs/sha256", 0o755)?;
        for blob in [&self.config, &self.manifest, &self.layer] {
            archive.file(&blob.path(), 0o644, &blob.bytes)?;
        }
        archive.finish()
    }
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        let mut digest = String::new();
        for byte in Sha256::digest(&bytes) {
            // Writing to a string cannot fail.
            let _ = write!(digest, "{byte:02x}");
        }
        Self { digest, bytes }
    }

    fn named(&self) -> String {
        format!("sha256:{}", self.digest)
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest)
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": self.named(), "size": self.bytes.len()})
    }
}

/// In Go's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use super::*;

    #[test]
    fn every_part_is_found_under_its_name() {
        let mut layer = Layer::default();
        layer.directory("usr", 0o755).expect("it fits");
        layer.file("usr/a", 0o755, b"a").expect("it fits");
        layer.link("b", "/usr/a").expect("it fits");
        let image = Image::new("sluice:1", layer.finish().expect("it ends")).expect("an image");
        let bytes = image.archive().expect("an archive");
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(&bytes[..]).entries().expect("a tar") {
            let mut entry = entry.expect("an entry");
            let path = entry.path().expect("a path").display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("content");
            files.insert(path, content);
        }
        let json = |path: &str| -> Value {
            serde_json::from_slice(&files[path]).unwrap_or_else(|fault| panic!("{path}: {fault}"))
        };
        let docker = &json("manifest.json")[0];
        let config_path = docker["Config"].as_str().expect("a path");
        let layer_path = docker["Layers"][0].as_str().expect("a path");
        let config = json(config_path);
        assert_eq!(config["config"]["Entrypoint"][0], "/pilot/entrypoint");
        let named = |path: &str| format!("sha256:{}", path.rsplit('/').next().expect("a name"));
        assert_eq!(config["rootfs"]["diff_ids"][0], named(layer_path));
        let reference = &json("index.json")["manifests"][0];
        let digest = reference["digest"].as_str().expect("a digest");
        let manifest_path = format!("blobs/{}", digest.replace(':', "/"));
        let manifest = json(&manifest_path);
        assert_eq!(reference["size"], files[&manifest_path].len());
        assert_eq!(manifest["config"]["digest"], named(config_path));
        assert_eq!(manifest["layers"][0]["digest"], named(layer_path));
        for (path, content) in files.iter().filter(|(path, _)| path.starts_with("blobs/sha256/")) {
            assert!(content.is_empty() || Blob::new(content.clone()).path() == *path, "{path}");
        }
    }
}
