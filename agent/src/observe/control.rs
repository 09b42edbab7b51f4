//! The control socket: HTTP and JSON over a Unix socket in the state directory, for the owner of
//! the state directory only.
//!
//! `GET /containers`, `GET /positions`, `GET /mounts`, `GET /explain?container=`,
//! `GET /tap?container=&id=`, `GET /version`,
//! `GET /healthz`.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http_body_util::{BodyExt, Empty, Limited as LimitedBody};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::{UnixListener, UnixStream};

use super::limited::Limited;
use super::{ExplainFn, Health, Snapshot, SnapshotFn, TapFn, Tapping, Version, ask};
use crate::core::Now;

/// The socket's name in the state directory.
pub const SOCKET: &str = "control.sock";

/// People and their scripts.
const CONNECTIONS_MAX: usize = 16;
/// A request is short and its answer is at hand.
const ANSWERLESS_MAX: Duration = Duration::from_secs(10);
/// An answer has at most some hundred bytes for each of 65 536 sources.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// The socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error(
        "another agent answers at {}; stop it, or give this one a `state_dir` of its own",
        path.display()
    )]
    Taken { path: PathBuf },
    #[error(
        "cannot make the control socket {}: {source}; the path must be shorter than 108 bytes, \
         on a file system that takes sockets",
        path.display()
    )]
    Unusable { path: PathBuf, source: io::Error },
}

/// A listening socket, removed when it is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    file: SocketFile,
}

#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Makes the socket. One that is left over is replaced, but only if nobody listens.
///
/// It gets its mode under another name and is moved into place after that, so that there is no
/// moment at which others may connect. Must be called inside a tokio runtime.
pub fn bind(state_dir: &Path) -> Result<ControlSocket, SocketError> {
    let path = state_dir.join(SOCKET);
    if std::os::unix::net::UnixStream::connect(&path).is_ok() {
        return Err(SocketError::Taken { path });
    }
    let unusable = |source| SocketError::Unusable { path: path.clone(), source };
    let draft = SocketFile(state_dir.join("control.new"));
    match fs::remove_file(&draft.0) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => return Err(unusable(fault)),
        _ => {}
    }
    let listener = UnixListener::bind(&draft.0).map_err(unusable)?;
    fs::set_permissions(&draft.0, Permissions::from_mode(0o600)).map_err(unusable)?;
    fs::rename(&draft.0, &path).map_err(unusable)?;
    Ok(ControlSocket { listener, file: SocketFile(path) })
}

/// Whom the socket asks.
pub struct Asked {
    pub snapshot: SnapshotFn,
    pub explain: ExplainFn,
    pub tap: TapFn,
    pub health: Arc<Health>,
}

impl ControlSocket {
    /// Serves until `stop` resolves.
    pub async fn serve(
        self,
        asked: Asked,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let Self { listener, file: _file } = self;
        let routes = Router::new()
            .route("/containers", get(containers))
            .route("/positions", get(positions))
            .route("/mounts", get(mounts))
            .with_state(asked.snapshot)
            .route("/explain", get(explain).with_state(asked.explain))
            .route("/tap", get(tap).with_state(asked.tap))
            .route("/healthz", get(silent).with_state(asked.health))
            .route("/version", get(|| async { Json(Version::of_this_process()) }));
        let listener = Limited::new(listener, CONNECTIONS_MAX, ANSWERLESS_MAX);
        axum::serve(listener, routes).with_graceful_shutdown(stop).await
    }
}

async fn containers(State(snapshot): State<SnapshotFn>) -> Response {
    answer(&snapshot, |snapshot| Json(snapshot.containers).into_response()).await
}

async fn positions(State(snapshot): State<SnapshotFn>) -> Response {
    answer(&snapshot, |snapshot| Json(snapshot.positions).into_response()).await
}

async fn mounts(State(snapshot): State<SnapshotFn>) -> Response {
    answer(&snapshot, |snapshot| Json(snapshot.mounts).into_response()).await
}

const NO_CONTAINER: &str = "no container of that name, or several whose ids begin with it; `sluice \
                            containers` lists them";

#[derive(serde::Deserialize)]
struct Explained {
    container: String,
}

async fn explain(State(explain): State<ExplainFn>, Query(wanted): Query<Explained>) -> Response {
    match explain(wanted.container).await {
        Some(view) => Json(view).into_response(),
        None => (StatusCode::BAD_REQUEST, NO_CONTAINER).into_response(),
    }
}

/// Loops that do not answer, in words; none if all is well.
async fn silent(State(health): State<Arc<Health>>) -> Response {
    Json(health.silent_lines(Now::read())).into_response()
}

async fn tap(State(tap): State<TapFn>, Query(tapping): Query<Tapping>) -> Response {
    match tap(tapping).await {
        Some(view) => Json(view).into_response(),
        None => (StatusCode::BAD_REQUEST, NO_CONTAINER).into_response(),
    }
}

async fn answer(snapshot: &SnapshotFn, part: impl FnOnce(Snapshot) -> Response) -> Response {
    match ask(snapshot).await {
        Some(snapshot) => part(snapshot),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the workers do not answer").into_response(),
    }
}

/// The page with what went by of a container since this onlooker asked last.
pub fn tap_page(container: &str, id: u64) -> String {
    page_of(&format!("/tap?id={id}&container="), container)
}

/// The page that explains a container.
pub fn explain_page(container: &str) -> String {
    page_of("/explain?container=", container)
}

fn page_of(page: &str, container: &str) -> String {
    let mut page = page.to_owned();
    for byte in container.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            page.push(byte.into());
        } else {
            // Writing to a string does not fail.
            let _ = write!(page, "%{byte:02X}");
        }
    }
    page
}

/// Why the running agent could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No socket, or one that a dead agent left.
    #[error(
        "no agent answers at {}; start one with `sluice run`, or name its state directory with \
         --state-dir",
        path.display()
    )]
    Absent { path: PathBuf },
    /// The socket belongs to the agent's user.
    #[error("may not connect to {}; ask as the user that the agent runs as", path.display())]
    Forbidden { path: PathBuf },
    /// What was asked for is not there.
    #[error("{reason}")]
    Refused { reason: String },
    /// It answered, and not as expected.
    #[error("the agent at {} did not answer: {reason}; see its log", path.display())]
    Failed { path: PathBuf, reason: String },
}

/// Asks the agent that runs on this state directory.
pub async fn fetch<T: DeserializeOwned>(state_dir: &Path, page: &str) -> Result<T, ControlError> {
    let path = state_dir.join(SOCKET);
    let failed = |reason: String| ControlError::Failed { path: path.clone(), reason };
    let stream = UnixStream::connect(&path).await.map_err(|fault| match fault.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ControlError::Absent { path: path.clone() }
        }
        io::ErrorKind::PermissionDenied => ControlError::Forbidden { path: path.clone() },
        _ => failed(fault.to_string()),
    })?;
    let body = tokio::time::timeout(ANSWERLESS_MAX, exchange(stream, page))
        .await
        .map_err(|_| failed(format!("it took longer than {} s", ANSWERLESS_MAX.as_secs())))?
        .map_err(|fault| failed(fault.to_string()))?
        .map_err(|reason| ControlError::Refused { reason })?;
    serde_json::from_slice(&body)
        .map_err(|fault| failed(format!("its answer is of another version: {fault}")))
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The answer, or why the question has none.
async fn exchange(stream: UnixStream, page: &str) -> Result<Result<Bytes, String>, AnyError> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let request = hyper::Request::get(page).header("host", "sluice").body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = LimitedBody::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await?.to_bytes();
    driver.abort();
    if status.is_success() {
        return Ok(Ok(body));
    }
    if status == StatusCode::BAD_REQUEST {
        return Ok(Err(String::from_utf8_lossy(&body).into_owned()));
    }
    Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::super::{ContainerView, ExplainView, PositionView, TapView};
    use super::*;

    fn asked() -> Asked {
        let explain: ExplainFn = Arc::new(|wanted: String| {
            let view = ExplainView { name: wanted.clone(), ..ExplainView::default() };
            std::future::ready((wanted == "a&b=c d").then_some(view)).boxed()
        });
        let tap: TapFn = Arc::new(|tapping: Tapping| {
            let documents = vec![format!("{} {}", tapping.container, tapping.id)];
            std::future::ready(Some(TapView { documents, ..TapView::default() })).boxed()
        });
        Asked { snapshot: snapshot_fn(), explain, tap, health: Arc::default() }
    }

    fn snapshot_fn() -> SnapshotFn {
        let snapshot = Snapshot {
            containers: vec![ContainerView { name: "web".into(), ..ContainerView::default() }],
            positions: vec![PositionView { inode: 7, ..PositionView::default() }],
            ..Snapshot::default()
        };
        Arc::new(move || std::future::ready(snapshot.clone()).boxed())
    }

    #[tokio::test]
    async fn the_agent_is_asked_over_its_socket() {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = bind(directory.path()).expect("it can be made");
        let path = directory.path().join(SOCKET);
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let health = Arc::<Health>::default();
        let asked = Asked { health: health.clone(), ..asked() };
        let server = tokio::spawn(socket.serve(asked, stopped.map(drop)));

        let rows: Vec<ContainerView> =
            fetch(directory.path(), "/containers").await.expect("it answers");
        assert_eq!(rows[0].name, "web");
        let rows: Vec<PositionView> =
            fetch(directory.path(), "/positions").await.expect("it answers");
        assert_eq!(rows[0].inode, 7);
        let version: Version = fetch(directory.path(), "/version").await.expect("it answers");
        assert_eq!(version, Version::of_this_process());
        let page = explain_page("a&b=c d");
        let view: ExplainView = fetch(directory.path(), &page).await.expect("it answers");
        assert_eq!(view.name, "a&b=c d");
        let view: TapView = fetch(directory.path(), &tap_page("a b", 7)).await.expect("it answers");
        assert_eq!(view.documents, ["a b 7"]);
        let page = explain_page("other");
        let fault = fetch::<ExplainView>(directory.path(), &page).await.expect_err("none");
        assert!(fault.to_string().contains("no container of that name"), "{fault}");
        let silent: Vec<String> = fetch(directory.path(), "/healthz").await.expect("it answers");
        assert_eq!(silent, [""; 0]);
        let _heartbeat = health.heartbeat("worker 0", Duration::ZERO);
        tokio::time::sleep(Duration::from_millis(1)).await;
        let silent: Vec<String> = fetch(directory.path(), "/healthz").await.expect("it answers");
        assert_eq!(silent, ["worker 0 has been silent for 0 s"]);
        let fault = fetch::<Version>(directory.path(), "/nothing").await.expect_err("no such page");
        assert!(fault.to_string().contains("404"), "{fault}");

        assert!(matches!(bind(directory.path()), Err(SocketError::Taken { .. })));
        stop.send(()).expect("it serves");
        server.await.expect("no panic").expect("no fault");
        assert!(!path.exists(), "it is removed at the end");
    }

    #[tokio::test]
    async fn a_socket_that_was_left_over_is_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(SOCKET);
        drop(std::os::unix::net::UnixListener::bind(&path).expect("it can be made"));
        assert!(path.exists());
        let fault = fetch::<Version>(directory.path(), "/version").await.expect_err("nobody");
        assert!(matches!(fault, ControlError::Absent { .. }), "{fault}");
        drop(bind(directory.path()).expect("it is replaced"));
        let fault = fetch::<Version>(directory.path(), "/version").await.expect_err("nobody");
        assert!(fault.to_string().contains("sluice run"), "{fault}");
    }
}
