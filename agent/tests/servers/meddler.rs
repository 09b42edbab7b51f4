//! Someone between agent and server, so that real answers come to what happens seldom by itself.
//!
//! * A request is stored twice over, and the second answer is given: 409 for ids sent once, as a
//!   server gives it that repeats operations after losing a primary.
//! * Half of a request is passed on: 200 with fewer items than were sent, as Elasticsearch 9 gives
//!   it for a torn body.
//! * An answer is lost after the server stored everything.
//! * A request is cut in its body, of which Elasticsearch 9 may have stored a part.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context as _, ensure};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use sluice_bench::http::{Client, Response};
use sluice_bench::load::{Kind, Stream};

use super::common::IN_TIME;
use super::logs::{Logs, expect_exactly_once};
use super::say;
use super::server::Server;

const LINES: u64 = 1_500;

pub(super) fn check(server: &Server) -> u64 {
    let meddler = Meddler::before(&server.url);
    let mut logs = Logs::sending_to(&meddler.url());
    // Small, so that there are enough requests to meddle with.
    logs.station.node.set("batch.bytes", "64KiB");
    let mut writers: Vec<_> = (0..3)
        .map(|number| logs.container(&format!("meddled-{number}"), "meddled", Kind::Mixed))
        .collect();
    for writer in &mut writers {
        writer.lines(Stream::Stdout, LINES);
    }
    logs.station.start();
    let ledger = logs.ledger();
    logs.await_count(server, "meddled-*", ledger.lines());
    logs.station.await_idle(IN_TIME);
    let conflicts = logs.station.metric("sluice_ship_conflicts_total", &[]);
    let done = meddler.done();
    say(&format!(
        "    {} of {} requests stored twice, {} halved, {} answers lost, {} cut",
        done[1],
        done.iter().sum::<u64>(),
        done[2],
        done[3],
        done[4]
    ));
    assert!(done.iter().all(|&count| count > 0), "{done:?}");
    assert!(conflicts > 0.0, "nothing was answered 409");
    logs.station.stop();
    expect_exactly_once(server, "meddled-*", &ledger);
    ledger.lines()
}

#[derive(Clone, Copy)]
enum Meddling {
    Nothing,
    StoreTwice,
    PassHalf,
    LoseAnswer,
    CutBody,
}

/// In turn; twice nothing, so that most of it goes through.
const TURNS: [Meddling; 6] = [
    Meddling::Nothing,
    Meddling::StoreTwice,
    Meddling::PassHalf,
    Meddling::Nothing,
    Meddling::LoseAnswer,
    Meddling::CutBody,
];

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    bulks: AtomicU64,
    /// By [`Meddling`].
    done: [AtomicU64; 5],
}

struct Meddler {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Meddler {
    fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let shared = Arc::new(Shared::default());
        let (url, inner) = (url.to_owned(), Arc::clone(&shared));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if inner.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (url, inner) = (url.clone(), Arc::clone(&inner));
                // Ends with its connection, which the agent's end closes.
                std::thread::spawn(move || {
                    // An agent that closes is no fault.
                    let _ = serve(stream, &url, &inner);
                });
            }
        });
        Self { port, shared, thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn done(&self) -> Vec<u64> {
        self.shared.done.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes it.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn serve(stream: TcpStream, url: &str, shared: &Shared) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader)? {
        let meddling = if request.path.contains("_bulk") {
            TURNS[shared.bulks.fetch_add(1, Ordering::Relaxed) as usize % TURNS.len()]
        } else {
            Meddling::Nothing
        };
        let answer = match meddling {
            Meddling::Nothing => pass(url, &request, &request.body)?,
            Meddling::StoreTwice => {
                pass(url, &request, &request.body)?;
                pass(url, &request, &request.body)?
            }
            Meddling::PassHalf => pass(url, &request, &half(&request.body)?)?,
            Meddling::LoseAnswer => {
                pass(url, &request, &request.body)?;
                shared.done[meddling as usize].fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            Meddling::CutBody => {
                cut(url, &request)?;
                shared.done[meddling as usize].fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
        };
        if request.path.contains("_bulk") {
            shared.done[meddling as usize].fetch_add(1, Ordering::Relaxed);
        }
        write_answer(reader.get_mut(), &answer)?;
    }
    Ok(())
}

/// `None` at the end of the connection.
fn read_request(reader: &mut BufReader<TcpStream>) -> anyhow::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().context("a method")?.to_owned();
    let path = words.next().context("a path")?.to_owned();
    let mut headers = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').context("a header")?;
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        ensure!(name != "transfer-encoding", "bodies with a length are expected");
        match &*name {
            "content-length" => length = value.parse()?,
            "host" | "connection" => {}
            _ => headers.push((name, value)),
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { method, path, headers, body }))
}

fn pass(url: &str, request: &Request, body: &[u8]) -> anyhow::Result<Response> {
    let headers: Vec<_> =
        request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Client::connect(url)?.request(&request.method, &request.path, &headers, body)
}

/// The first half of the documents, in a body that is as sound as the whole one.
fn half(body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut plain = Vec::new();
    MultiGzDecoder::new(body).read_to_end(&mut plain).context("a gzip body is expected")?;
    let lines: Vec<_> = plain.split_inclusive(|&byte| byte == b'\n').collect();
    let kept = lines.len() / 2 / 2 * 2;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Never none: an empty bulk request is refused, which is not what is to be shown.
    for line in &lines[..kept.max(2)] {
        encoder.write_all(line)?;
    }
    Ok(encoder.finish()?)
}

/// Half of the body's bytes, and then nothing more.
fn cut(url: &str, request: &Request) -> anyhow::Result<()> {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    let mut head = format!("{} {} HTTP/1.1\r\nhost: {address}\r\n", request.method, request.path);
    for (name, value) in &request.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("content-length: {}\r\n\r\n", request.body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(&request.body[..request.body.len() / 2])?;
    Ok(())
}

fn write_answer(stream: &mut TcpStream, answer: &Response) -> anyhow::Result<()> {
    let mut head = format!("HTTP/1.1 {} -\r\n", answer.status);
    for (name, value) in &answer.headers {
        if !matches!(&**name, "content-length" | "transfer-encoding" | "connection") {
            head += &format!("{name}: {value}\r\n");
        }
    }
    head += &format!("content-length: {}\r\n\r\n", answer.body.len());
    stream.write_all(head.as_bytes())?;
    Ok(stream.write_all(&answer.body)?)
}
