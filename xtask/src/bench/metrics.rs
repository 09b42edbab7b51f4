//! The agent's metrics page, taken apart.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// For the agent to begin to listen.
const START_MAX: Duration = Duration::from_secs(10);
const ANSWER_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// Samples of one moment.
pub(super) struct Metrics(String);

impl Metrics {
    pub(super) fn of(port: u16) -> Result<Self> {
        let start = Instant::now();
        loop {
            match fetch(port) {
                Ok(text) => return Ok(Self(text)),
                Err(error) if start.elapsed() > START_MAX => {
                    return Err(error).with_context(|| format!("the metrics at port {port}"));
                }
                Err(_) => std::thread::sleep(POLL),
            }
        }
    }

    /// Sum of all samples of `name` with `label`, such as `rung="inotify"`; all with an empty one.
    pub(super) fn sum(&self, name: &str, label: &str) -> f64 {
        self.samples(name)
            .filter(|(labels, _)| labels.contains(label))
            .map(|(_, value)| value)
            .sum()
    }

    /// Labels and value of each sample of `name`.
    pub(super) fn samples<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let is_whole = labels.is_empty() || labels.starts_with('{');
            Some((labels, value.parse().ok()?)).filter(|_| is_whole)
        })
    }
}

fn fetch(port: u16) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no answer of HTTP")?;
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_told_apart() {
        let metrics =
            Metrics("a_total{rung=\"x\"} 2\na_total{rung=\"y\"} 3\nab 4\na_total 1\n".into());
        let check = |name: &str, label: &str, expect: f64| {
            assert!((metrics.sum(name, label) - expect).abs() < 1e-9, "{name} {label}");
        };
        check("a_total", "", 6.0);
        check("a_total", "rung=\"y\"", 3.0);
        check("ab", "", 4.0);
        check("a", "", 0.0);
    }
}
