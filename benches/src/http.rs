//! A blocking HTTP/1.1 client over plain TCP, small enough to cost nothing in a measurement.
//!
//! One request at a time on one connection, bodies with a content length, answers with a content
//! length, chunked, or up to the end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

/// Most bytes of an answer's head.
const HEAD_BYTES_MAX: u64 = 64 * 1024;

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("answer {} is no JSON: {}", self.status, self.text()))
    }
}

/// One connection.
pub struct Client {
    host: String,
    stream: BufReader<TcpStream>,
    authorization: Option<String>,
}

impl Client {
    /// `url` is `http://host:port`, with or without a path, which is ignored.
    pub fn connect(url: &str) -> anyhow::Result<Self> {
        let rest = url.strip_prefix("http://").with_context(|| format!("no http:// URL: {url}"))?;
        let host = rest.split('/').next().unwrap_or_default();
        let (credentials, host) =
            host.rsplit_once('@').map_or((None, host), |(user, host)| (Some(user), host));
        let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let stream =
            TcpStream::connect(&address).with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let authorization = credentials.map(|credentials| {
            use base64::Engine as _;
            let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
            format!("Basic {encoded}")
        });
        Ok(Self {
            host: host.to_owned(),
            // Answers of measured requests are small.
            stream: BufReader::with_capacity(64 * 1024, stream),
            authorization,
        })
    }

    pub fn set_timeout(&self, timeout: Option<Duration>) -> anyhow::Result<()> {
        self.stream.get_ref().set_read_timeout(timeout)?;
        Ok(self.stream.get_ref().set_write_timeout(timeout)?)
    }

    /// Sends and waits for the answer.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<Response> {
        self.send(method, path, headers, body)?;
        self.receive(method)
    }

    /// A request with a JSON body.
    pub fn json(
        &mut self,
        method: &str,
        path: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<serde_json::Value> {
        let body = body.to_string();
        let response =
            self.request(method, path, &[("content-type", "application/json")], body.as_bytes())?;
        ensure!(
            response.status < 300,
            "{method} {path} was answered {}: {}",
            response.status,
            response.text()
        );
        response.json()
    }

    /// Writes the whole request; the answer is to be taken with [`Self::receive`]. Gives the
    /// bytes of the head.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<usize> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        if let Some(authorization) = &self.authorization {
            head.push_str("authorization: ");
            head.push_str(authorization);
            head.push_str("\r\n");
        }
        for (name, value) in headers {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes()).context("sending the head")?;
        stream.write_all(body).context("sending the body")?;
        Ok(head.len())
    }

    /// Takes the answer to a request of this method.
    pub fn receive(&mut self, method: &str) -> anyhow::Result<Response> {
        loop {
            let (status, headers) = self.head()?;
            if status == 100 {
                continue;
            }
            let mut response = Response { status, headers, body: Vec::new() };
            if method != "HEAD" && status != 204 && status != 304 {
                self.body(&mut response)?;
            }
            return Ok(response);
        }
    }

    fn head(&mut self) -> anyhow::Result<(u16, Vec<(String, String)>)> {
        let status_line = self.head_line()?;
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .with_context(|| format!("no status in {status_line:?}"))?;
        let mut headers = Vec::new();
        loop {
            let line = self.head_line()?;
            if line.is_empty() {
                return Ok((status, headers));
            }
            let (name, value) =
                line.split_once(':').with_context(|| format!("no header: {line:?}"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn head_line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        (&mut self.stream).take(HEAD_BYTES_MAX).read_line(&mut line).context("reading the head")?;
        if !line.ends_with('\n') {
            bail!("the connection was closed without an answer");
        }
        Ok(line.trim_end().to_owned())
    }

    fn body(&mut self, response: &mut Response) -> anyhow::Result<()> {
        let is_chunked = response
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        if is_chunked {
            loop {
                let line = self.head_line()?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16).context("size of a chunk")?;
                self.exactly(size, &mut response.body)?;
                self.head_line()?;
                if size == 0 {
                    return Ok(());
                }
            }
        }
        match response.header("content-length") {
            Some(length) => {
                let length = length.parse().context("content-length")?;
                self.exactly(length, &mut response.body)
            }
            None => {
                self.stream.read_to_end(&mut response.body).context("reading the body")?;
                Ok(())
            }
        }
    }

    fn exactly(&mut self, length: usize, into: &mut Vec<u8>) -> anyhow::Result<()> {
        let read =
            (&mut self.stream).take(length as u64).read_to_end(into).context("reading the body")?;
        ensure!(read == length, "the body ended after {read} of {length} bytes");
        Ok(())
    }
}
