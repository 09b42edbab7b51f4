//! A stand-in for dockerd: canned answers on a Unix socket.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use super::super::fixture;

pub(super) struct Daemon {
    pub(super) socket: PathBuf,
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<Known>,
    /// Lines for who listens to events; `None` cuts the stream.
    events: broadcast::Sender<Option<String>>,
}

#[derive(Default)]
struct Known {
    /// Name and state by id.
    containers: BTreeMap<String, (String, String)>,
    data_root: String,
    /// Ids whose inspect fails.
    broken: Vec<String>,
    requests: Vec<String>,
}

impl Daemon {
    pub(super) fn new(socket: &Path) -> Self {
        let (events, _) = broadcast::channel(100);
        let known = Known { data_root: "/var/lib/docker".into(), ..Known::default() };
        let shared = Arc::new(Shared { state: Mutex::new(known), events });
        Self { socket: socket.to_owned(), shared, server: None }
    }

    pub(super) fn up(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
        let listener = UnixListener::bind(&self.socket).unwrap();
        let shared = Arc::clone(&self.shared);
        self.server = Some(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&shared)));
            }
        }));
    }

    pub(super) async fn down(&mut self) {
        if let Some(server) = self.server.take() {
            server.abort();
            let _ = server.await;
        }
        let _ = std::fs::remove_file(&self.socket);
        let _ = self.shared.events.send(None);
    }

    /// Puts a container into a state; with an event only if `event` names one.
    pub(super) fn set(&self, first: &str, name: &str, state: &str, event: Option<&str>) {
        let id = fixture::id(first);
        let entry = (name.to_owned(), state.to_owned());
        self.shared.state.lock().unwrap().containers.insert(id, entry);
        self.emit(first, event);
    }

    pub(super) fn remove(&self, first: &str, event: Option<&str>) {
        self.shared.state.lock().unwrap().containers.remove(&fixture::id(first));
        self.emit(first, event);
    }

    pub(super) fn break_inspect(&self, first: &str) {
        self.shared.state.lock().unwrap().broken.push(fixture::id(first));
    }

    pub(super) fn mend_inspect(&self) {
        self.shared.state.lock().unwrap().broken.clear();
    }

    pub(super) fn set_data_root(&self, data_root: &str) {
        data_root.clone_into(&mut self.shared.state.lock().unwrap().data_root);
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().requests.clone()
    }

    pub(super) fn say(&self, line: &str) {
        let _ = self.shared.events.send(Some(line.to_owned()));
    }

    fn emit(&self, first: &str, event: Option<&str>) {
        if let Some(event) = event {
            let id = fixture::id(first);
            self.say(&format!(
                r#"{{"status":"{event}","id":"{id}","Type":"container","Action":"{event}","Actor":{{"ID":"{id}","Attributes":{{"name":"x"}}}},"scope":"local","time":1795597456,"timeNano":1795597456146720477}}"#
            ));
        }
    }
}

async fn answer(mut stream: UnixStream, shared: Arc<Shared>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    shared.state.lock().unwrap().requests.push(path.clone());
    if path.contains("/events?") {
        return stream_events(stream, shared.events.subscribe()).await;
    }
    let (status, body) = shared.state.lock().unwrap().answer(&path);
    let reply = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(reply.as_bytes()).await;
}

async fn stream_events(mut stream: UnixStream, mut events: broadcast::Receiver<Option<String>>) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    while let Ok(Some(line)) = events.recv().await {
        let chunk = format!("{:x}\r\n{line}\n\r\n", line.len() + 1);
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl Known {
    fn answer(&self, path: &str) -> (&'static str, String) {
        let path = path.split('?').next().unwrap_or_default();
        if path == "/version" {
            return ("200 OK", r#"{"Version":"20.10.24","ApiVersion":"1.41"}"#.into());
        }
        // Without a version the engine answers in its own newest.
        if path.starts_with("/v1.") && !path.starts_with("/v1.41/") {
            return ("400 Bad Request", r#"{"message":"client version is too new"}"#.into());
        }
        match path.strip_prefix("/v1.41").unwrap_or(path) {
            "/info" => {
                let root = &self.data_root;
                ("200 OK", format!(r#"{{"DockerRootDir":"{root}","Name":"node-7"}}"#))
            }
            "/containers/json" => {
                let one = |(id, (name, state)): (&String, &(String, String))| {
                    format!(r#"{{"Id":"{id}","Names":["{name}"],"State":"{state}"}}"#)
                };
                let all: Vec<String> = self.containers.iter().map(one).collect();
                ("200 OK", format!("[{}]", all.join(",")))
            }
            _ => self.inspect(path),
        }
    }

    fn inspect(&self, path: &str) -> (&'static str, String) {
        let id = path.trim_start_matches("/containers/").trim_end_matches("/json");
        if self.broken.iter().any(|broken| broken == id) {
            return ("500 Internal Server Error", r#"{"message":"broken"}"#.into());
        }
        match self.containers.get(id) {
            Some((name, state)) => ("200 OK", fixture::inspect_of(id, name, state)),
            None => ("404 Not Found", r#"{"message":"No such container"}"#.into()),
        }
    }
}
