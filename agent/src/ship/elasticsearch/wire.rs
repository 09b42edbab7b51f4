//! One request over the wire, and how far it came.

use std::convert::Infallible;
use std::error::Error;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::client::Client;
use super::settings::ElasticsearchSettings;
use crate::encode::Encoding;
use crate::ship::version::ServerVersion;
use crate::ship::{
    Counters, Cut, HttpAnswer, Question, Request, RequestKind, Sent, TransportError,
    TransportFault, Typing, apart,
};

/// The body is handed over in pieces of this size, so that it is known how far it came.
const PIECE_BYTES: usize = 64 << 10;

/// Elasticsearch 6 takes the default of the type from the path, and wants an index before it.
/// Every action names its own index; this one is never made.
const PATH_INDEX: &str = "sluice";

/// Elasticsearch 6.8 takes it for whatever type an index has, and gives it to one that it makes.
const ANY_TYPE: &str = "_doc";

/// Sends a request and reads its answer, within all deadlines.
pub(super) async fn send(
    client: &Client,
    settings: &ElasticsearchSettings,
    counters: &Counters,
    request: Request,
) -> Result<HttpAnswer, TransportError> {
    let host = &client.hosts[request.host];
    let progress = Arc::new(AtomicU8::new(NOTHING));
    let builder = match request.kind {
        RequestKind::Probe => client.http.get(format!("{host}/")),
        RequestKind::Mget { questions, version } => {
            let url = format!("{host}{}", mget_path(version));
            let body = Bytes::from(mget_body(&questions));
            client
                .http
                .post(url)
                .header(CONTENT_TYPE, "application/json")
                .body(tracked(body, &progress))
        }
        RequestKind::Bulk { cut, version, typing } => {
            let (bytes, encoding) = body_of(cut).await?;
            counters.bytes_wire.inc_by(bytes.len() as u64);
            let url = format!("{host}{}", bulk_path(settings, version, typing));
            let builder = client.http.post(url).header(CONTENT_TYPE, "application/x-ndjson");
            let builder = match encoding {
                Encoding::Gzip => builder.header(CONTENT_ENCODING, "gzip"),
                Encoding::Identity => builder,
            };
            builder.body(tracked(bytes, &progress))
        }
    };
    exchange(builder, settings, &progress).await
}

async fn exchange(
    builder: reqwest::RequestBuilder,
    settings: &ElasticsearchSettings,
    progress: &AtomicU8,
) -> Result<HttpAnswer, TransportError> {
    let sent = || match progress.load(Ordering::Relaxed) {
        NOTHING => Sent::Nothing,
        PART => Sent::Part,
        _ => Sent::All,
    };
    let late = |phase: &str, limit: Duration| TransportError {
        fault: TransportFault::Deadline,
        sent: sent(),
        text: format!("no {phase} within {limit:?}"),
    };
    let limit = settings.request_timeout;
    let mut response = match tokio::time::timeout(limit, builder.send()).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(fault(&error, sent())),
        Err(_) => return Err(late("answer", limit)),
    };
    let status = response.status().as_u16();
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let limit = settings.answer_timeout;
    let body = tokio::time::timeout(limit, read(&mut response, settings.answer_bytes_max)).await;
    match body {
        Ok(Ok(Some(body))) => Ok(HttpAnswer { status, content_type, body }),
        Ok(Ok(None)) => Err(TransportError {
            fault: TransportFault::AnswerTooLarge,
            sent: sent(),
            text: format!("answer of more than {} bytes", settings.answer_bytes_max),
        }),
        Ok(Err(error)) => Err(fault(&error, sent())),
        Err(_) => Err(late("end of the answer", limit)),
    }
}

async fn read(response: &mut reqwest::Response, max: usize) -> reqwest::Result<Option<Bytes>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.into()))
}

/// The bytes to be sent; taking a batch apart happens on a thread that may be busy for a while.
async fn body_of(cut: Cut) -> Result<(Bytes, Encoding), TransportError> {
    let Cut { batch, keep } = cut;
    let Some(keep) = keep else {
        return Ok((batch.body.bytes.clone(), batch.body.encoding));
    };
    let fail =
        |text: String| TransportError { fault: TransportFault::Cut, sent: Sent::Nothing, text };
    let selected = tokio::task::spawn_blocking(move || apart::select(&batch, &keep)).await;
    let batch =
        selected.map_err(|error| fail(error.to_string()))?.map_err(|error| fail(chain(&error)))?;
    Ok((batch.body.bytes, batch.body.encoding))
}

fn bulk_path(settings: &ElasticsearchSettings, version: ServerVersion, typing: Typing) -> String {
    let type_name = match typing {
        Typing::Configured => &settings.type_name,
        Typing::OfIndex => ANY_TYPE,
    };
    let mut path = typed(type_name, version);
    path.push_str("/_bulk?filter_path=errors,items.*.status,items.*.error");
    if let Some(pipeline) = &settings.pipeline {
        path.push_str("&pipeline=");
        path.extend(percent_encoded(pipeline));
    }
    path
}

fn mget_path(version: ServerVersion) -> String {
    let mut path = typed(ANY_TYPE, version);
    path.push_str("/_mget?filter_path=docs.found,docs._source,docs.error");
    path
}

fn typed(type_name: &str, version: ServerVersion) -> String {
    if version.needs_type() {
        let name: String = percent_encoded(type_name).collect();
        format!("/{PATH_INDEX}/{name}")
    } else {
        String::new()
    }
}

fn percent_encoded(text: &str) -> impl Iterator<Item = String> {
    text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    })
}

fn mget_body(questions: &[Question]) -> Vec<u8> {
    let doc = |it: &Question| serde_json::json!({"_index": &*it.index, "_id": it.id});
    let docs: Vec<_> = questions.iter().map(doc).collect();
    serde_json::json!({ "docs": docs }).to_string().into_bytes()
}

/// Nothing of the body was asked for: there was no connection yet.
const NOTHING: u8 = 0;
const PART: u8 = 1;
const ALL: u8 = 2;

/// A body in shared pieces of one buffer that notes how much of it was taken. Some of it may
/// still be in the client's own buffer; so `ALL` is the latest that can be, not the least.
struct Tracked {
    rest: Bytes,
    // Relaxed is enough: it is read after the request has ended, by the task that polled it.
    progress: Arc<AtomicU8>,
}

fn tracked(bytes: Bytes, progress: &Arc<AtomicU8>) -> reqwest::Body {
    reqwest::Body::wrap(Tracked { rest: bytes, progress: Arc::clone(progress) })
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let len = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(len);
        let progress = if self.rest.is_empty() { ALL } else { PART };
        self.progress.store(progress, Ordering::Relaxed);
        Poll::Ready(Some(piece).filter(|it| !it.is_empty()).map(|it| Ok(Frame::data(it))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    /// Exact, so that the request has a content length: old proxies know nothing else.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

fn fault(error: &reqwest::Error, sent: Sent) -> TransportError {
    let is_connect = error.is_connect();
    let fault = if is_tls(error) {
        TransportFault::Tls
    } else if error.is_timeout() {
        if is_connect { TransportFault::Connect } else { TransportFault::Deadline }
    } else if is_connect {
        TransportFault::Connect
    } else {
        TransportFault::Closed
    };
    let sent = if is_connect { Sent::Nothing } else { sent };
    TransportError { fault, sent, text: chain(error) }
}

/// Whether TLS is the cause. An I/O error hides what it carries from its chain of causes, and
/// those of the TLS layers carry one another.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        let carried = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match carried {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    false
}

/// All causes of an error on one line, each said once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            let _ = write!(text, ": {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ship::Product;
    use crate::ship::dead_letters::DeadLetterSettings;

    #[test]
    fn paths_have_a_type_only_where_it_is_needed() {
        let letters = DeadLetterSettings::in_state_directory("/nowhere".as_ref());
        let mut settings = ElasticsearchSettings::new(vec!["http://a".into()], letters);
        let old = ServerVersion { product: Product::Elasticsearch, major: 6 };
        let filter = "filter_path=errors,items.*.status,items.*.error";
        let path = |settings: &_, version| bulk_path(settings, version, Typing::Configured);
        assert_eq!(path(&settings, old), format!("/sluice/_doc/_bulk?{filter}"));
        assert_eq!(path(&settings, ServerVersion::MODERN), format!("/_bulk?{filter}"));
        settings.pipeline = Some("a b".into());
        settings.type_name = "fluentd".into();
        let expect = format!("/sluice/fluentd/_bulk?{filter}&pipeline=a%20b");
        assert_eq!(path(&settings, old), expect);
        let expect = format!("/sluice/_doc/_bulk?{filter}&pipeline=a%20b");
        assert_eq!(bulk_path(&settings, old, Typing::OfIndex), expect);
        // A question has no type to make, whatever the index has.
        assert!(mget_path(old).starts_with("/sluice/_doc/_mget?"));
        assert!(mget_path(ServerVersion::MODERN).starts_with("/_mget?"));
    }
}
