//! The listening side: sockets, TLS, and going down and up again.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::State;
use super::handle::handle;
use super::meter::Meter;

/// How long [`Server::stop`] waits for connections to be gone.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) type TlsSlot = Arc<Mutex<Option<Arc<rustls::ServerConfig>>>>;

/// One listening socket with its connections.
pub(super) struct Server {
    pub(super) addr: SocketAddr,
    accepting: JoinHandle<()>,
    stopping: watch::Sender<()>,
}

impl Server {
    /// Port 0 is any free one.
    pub(super) fn start(
        handle: &Handle,
        state: &Arc<State>,
        tls: &TlsSlot,
        port: u16,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let listener = {
            let _context = handle.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (stopping, stop) = watch::channel(());
        let accepting = handle.spawn(accept(listener, Arc::clone(state), Arc::clone(tls), stop));
        Ok(Self { addr, accepting, stopping })
    }

    /// Closes the socket and all connections, and waits until they are gone.
    pub(super) fn stop(self, meter: &Meter) {
        self.accepting.abort();
        drop(self.stopping);
        while !self.accepting.is_finished() {
            std::thread::sleep(Duration::from_millis(1));
        }
        meter.wait(STOP_TIMEOUT, |snapshot| snapshot.connections_open == 0);
    }
}

async fn accept(
    listener: tokio::net::TcpListener,
    state: Arc<State>,
    tls: TlsSlot,
    stop: watch::Receiver<()>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: the load of a test, not a reason to end.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Without it the answer to a small request waits for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let acceptor = tls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let connection = Open::new(Arc::clone(&state));
        let mut stop = stop.clone();
        tokio::spawn(async move {
            let serving = async {
                match acceptor {
                    None => serve(&connection.state, stream).await,
                    Some(config) => {
                        if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                            serve(&connection.state, stream).await;
                        }
                    }
                }
            };
            tokio::select! {
                () = serving => {}
                _ = stop.changed() => {}
            }
            drop(connection);
        });
    }
}

async fn serve(state: &Arc<State>, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(|request| handle(Arc::clone(state), request));
    // An error here is a connection that was cut, by the client or on purpose.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Counts a connection for as long as it lives.
struct Open {
    state: Arc<State>,
}

impl Open {
    fn new(state: Arc<State>) -> Self {
        state.meter.update(|snapshot| {
            snapshot.connections += 1;
            snapshot.connections_open += 1;
        });
        Self { state }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.state.meter.update(|snapshot| snapshot.connections_open -= 1);
    }
}
