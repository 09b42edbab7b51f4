//! Containers' lives over the engine's API: cheaper and faster than its client.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::IMAGE;

/// A slow disk under a removal.
const ANSWER_MAX: Duration = Duration::from_mins(1);
const END_MAX: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(10);

pub(crate) struct Api {
    socket: PathBuf,
}

impl Api {
    /// `host` as in `DOCKER_HOST`.
    pub(crate) fn new(host: &str) -> Result<Self> {
        let socket = host.strip_prefix("unix://").context("an engine without a Unix socket")?;
        Ok(Self { socket: Path::new(socket).to_owned() })
    }

    /// As `docker run --rm`: makes and starts a container, and returns when it is removed. Gives
    /// its id.
    pub(crate) fn live(&self, name: &str, command: &[String]) -> Result<String> {
        let wanted = json!({
            "Image": IMAGE,
            "Cmd": command,
            "HostConfig": {"AutoRemove": true, "NetworkMode": "none"},
        });
        let path = format!("/containers/create?name={name}");
        let (status, answer) = self.ask("POST", &path, &wanted.to_string())?;
        let made: Value = serde_json::from_str(&answer).context("the engine's answer")?;
        let Some(id) = made["Id"].as_str().filter(|_| status == 201) else {
            bail!("{path}: {status}: {answer}");
        };
        let (status, answer) = self.ask("POST", &format!("/containers/{id}/start"), "")?;
        if status != 204 {
            bail!("start of {name}: {status}: {answer}");
        }
        self.await_end(id)?;
        Ok(id.to_owned())
    }

    /// By asking: `wait?condition=removed` once gave no answer for two minutes, and whether the wait
    /// or the removal hung is not known. This tells.
    fn await_end(&self, id: &str) -> Result<()> {
        let deadline = Instant::now() + END_MAX;
        while Instant::now() < deadline {
            let (status, answer) = self.ask("GET", &format!("/containers/{id}/json"), "")?;
            match status {
                200 => std::thread::sleep(POLL),
                404 => return Ok(()),
                _ => bail!("end of {id}: {status}: {answer}"),
            }
        }
        bail!("{id} is there after {END_MAX:?}")
    }

    /// HTTP/1.0, so that an answer ends with its connection and comes in one piece.
    fn ask(&self, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
        let mut stream = UnixStream::connect(&self.socket).context("the engine's socket")?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).with_context(|| format!("no answer to {path}"))?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("a strange answer to {path}"))?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok((status, body.to_owned()))
    }
}
