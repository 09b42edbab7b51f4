//! Containers' lives over the engine's API: a client for each would take longer than the life.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::engine::DOCKER_MAX;
use super::super::station::until;
use super::{LOGS, Lived};

pub(super) struct Api {
    socket: PathBuf,
}

impl Api {
    pub(super) fn new(socket: &str) -> Self {
        Self { socket: socket.into() }
    }

    /// As `docker run --rm`, with a volume of its own at `/data`: returns when both are removed.
    pub(super) fn live(&self, name: &str, image: &str, script: &str) -> Lived {
        let declared = LOGS.iter().map(|(log, value)| format!("aliyun_logs_{log}={value}"));
        let wanted = json!({
            "Image": image,
            "Cmd": ["sh", "-c", script],
            "Env": declared.collect::<Vec<_>>(),
            "Volumes": {"/data": {}},
            "HostConfig": {"AutoRemove": true, "NetworkMode": "none"},
        });
        let path = format!("/containers/create?name={name}");
        let (status, answer) = self.ask("POST", &path, &wanted.to_string());
        assert_eq!(status, 201, "{path}: {answer}");
        let made: Value = serde_json::from_str(&answer).expect("the engine answers in JSON");
        let id = made["Id"].as_str().expect("a container has an id");
        let (status, answer) = self.ask("POST", &format!("/containers/{id}/start"), "");
        assert_eq!(status, 204, "start of {name}: {answer}");
        until("the end of a container", DOCKER_MAX, || {
            let (status, answer) = self.ask("GET", &format!("/containers/{id}/json"), "");
            assert!(matches!(status, 200 | 404), "end of {name}: {status}: {answer}");
            (status == 404).then_some(())
        });
        Lived { name: name.to_owned(), id: id.to_owned() }
    }

    /// HTTP/1.0, so that an answer ends with its connection and comes in one piece.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let ask = || -> std::io::Result<String> {
            let mut stream = UnixStream::connect(&self.socket)?;
            stream.set_read_timeout(Some(DOCKER_MAX))?;
            write!(
                stream,
                "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = ask().unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status.unwrap_or_else(|| panic!("{method} {path}: {answer:?}")), body.to_owned())
    }
}
