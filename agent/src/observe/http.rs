//! `/metrics`, `/healthz`, `/readyz` and the status page.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use super::limited::Limited;
use super::{Health, SnapshotFn, ask, metrics, status};
use crate::core::Now;

/// What the pages are made of.
#[derive(Clone)]
pub struct HttpState {
    pub registry: Arc<Registry>,
    pub health: Arc<Health>,
    pub snapshot: SnapshotFn,
}

impl fmt::Debug for HttpState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("HttpState").field("health", &self.health).finish_non_exhaustive()
    }
}

/// The port is taken, or not ours to take.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; choose another `http.listen`, or `off`")]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

/// A few scrapers, probes and people.
const CONNECTIONS_MAX: usize = 64;
/// Longer than any scrape interval that is in use.
const ANSWERLESS_MAX: Duration = Duration::from_mins(2);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Takes the address, so that a fault stops the start.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError { address, source })
}

/// Serves until `stop` resolves.
pub async fn serve(
    listener: TcpListener,
    state: HttpState,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = Limited::new(listener, CONNECTIONS_MAX, ANSWERLESS_MAX);
    axum::serve(listener, routes(state)).with_graceful_shutdown(stop).await
}

fn routes(state: HttpState) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(scrape))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .with_state(state)
}

async fn index(State(state): State<HttpState>) -> Response {
    let snapshot = ask(&state.snapshot).await;
    let ready = state.health.is_ready();
    let page = Html(status::page(snapshot.as_ref(), ready));
    // The page is for people: nothing of it may load or run anything.
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], page).into_response()
}

async fn scrape(State(state): State<HttpState>) -> Response {
    let snapshot = ask(&state.snapshot).await;
    match metrics::page(&state.registry, snapshot.as_ref()) {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn alive(State(state): State<HttpState>) -> Response {
    let silent = state.health.silent_lines(Now::read());
    if silent.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, silent.join("\n") + "\n").into_response()
}

async fn ready(State(state): State<HttpState>) -> Response {
    if state.health.is_ready() {
        return "ok\n".into_response();
    }
    let body = format!("waiting for {}\n", state.health.waits_for().join(" and "));
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::super::{Snapshot, Step};
    use super::*;

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        answer
    }

    #[tokio::test]
    async fn pages_are_served() {
        let listener = bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
        let address = listener.local_addr().expect("it has one");
        let health = Arc::new(Health::default());
        let snapshot = Snapshot { node: "<n1>".into(), ..Snapshot::default() };
        let mut registry = metrics::registry();
        metrics::register_process(&mut registry);
        let state = HttpState {
            registry: Arc::new(registry),
            health: Arc::clone(&health),
            snapshot: Arc::new(move || std::future::ready(snapshot.clone()).boxed()),
        };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, state, stopped.map(drop)));

        let answer = get(address, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("waiting for the store and"), "{answer}");
        health.reach(Step::StoreOpen);
        health.reach(Step::Discovered);
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));

        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        let stuck = health.heartbeat("worker 0", Duration::from_secs(1));
        stuck.beat(Now { mono_ns: 1, wall_ns: 0 });
        // A machine that has just started may not have been up for that long.
        let answer = loop {
            let answer = get(address, "/healthz").await;
            if answer.starts_with("HTTP/1.1 503") {
                break answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(answer.contains("worker 0 has been silent"), "{answer}");

        let answer = get(address, "/metrics").await;
        assert!(answer.contains("application/openmetrics-text"), "{answer}");
        assert!(answer.contains("process_resident_memory_bytes "), "{answer}");
        assert!(answer.ends_with("# EOF\n"), "{answer}");

        let answer = get(address, "/").await;
        assert!(answer.contains("&lt;n1&gt;"), "{answer}");
        assert!(get(address, "/nothing").await.starts_with("HTTP/1.1 404"));

        stop.send(()).expect("it serves");
        server.await.expect("no panic").expect("no fault");
    }

    #[tokio::test]
    async fn a_silent_connection_is_closed_and_makes_room() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has one");
        let limited = Limited::new(listener, 1, Duration::from_millis(200));
        let app = Router::new().route("/", axum::routing::get(|| async { "hello" }));
        tokio::spawn(async move { axum::serve(limited, app).await });
        let mut idle = TcpStream::connect(address).await.expect("it listens");
        idle.write_all(b"GET / HTTP/1.1\r\n").await.expect("it is accepted");
        let answer = get(address, "/").await;
        assert!(answer.ends_with("hello"), "{answer}");
        assert_eq!(idle.read(&mut [0; 16]).await.ok(), Some(0), "it was closed");
    }
}
