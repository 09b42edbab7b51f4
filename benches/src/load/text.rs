//! Texts that look like what applications log, the same for the same seed.

use std::io::Write as _;
use std::str::FromStr;

use crate::rng::Rng;

/// A kind of text. Lines have no newline in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A web server's access log.
    Access,
    /// A Java service's log.
    Java,
    /// Java with a stack trace now and then; each line of it is a line.
    Stack,
    /// One JSON object a line.
    Json,
    /// Letters of many alphabets, emoji, line separators.
    MultiByte,
    /// Bytes that are mostly no text.
    Binary,
    /// ASCII lines of 1 byte to 64 KiB, many around the 16 KiB at which Docker splits.
    Long,
    /// Access, Java, stack and JSON in turn, as on a node with many services.
    Mixed,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "access" => Self::Access,
            "java" => Self::Java,
            "stack" => Self::Stack,
            "json" => Self::Json,
            "multi-byte" => Self::MultiByte,
            "binary" => Self::Binary,
            "long" => Self::Long,
            "mixed" => Self::Mixed,
            _ => {
                return Err(format!(
                    "unknown kind {name}; known are access, java, stack, json, multi-byte, \
                     binary, long, mixed"
                ));
            }
        })
    }
}

const METHODS: [&str; 6] = ["GET", "GET", "GET", "POST", "PUT", "DELETE"];
const PATHS: [&str; 8] = [
    "/api/v1/orders",
    "/api/v1/customers",
    "/static/js/app.min.js",
    "/healthz",
    "/api/v2/search?q=log+agent",
    "/login",
    "/assets/img/logo.svg",
    "/api/v1/cart/items",
];
const STATUSES: [u16; 8] = [200, 200, 200, 200, 304, 404, 302, 500];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
    "curl/8.9.1",
    "kube-probe/1.36",
    "Go-http-client/2.0",
];
const LEVELS: [&str; 5] = ["INFO", "INFO", "INFO", "DEBUG", "WARN"];
const LOGGERS: [&str; 6] = [
    "com.example.shop.order.OrderService",
    "com.example.shop.cart.CartController",
    "org.springframework.web.servlet.DispatcherServlet",
    "org.hibernate.SQL",
    "com.zaxxer.hikari.pool.HikariPool",
    "com.example.shop.payment.PaymentClient",
];
const EVENTS: [&str; 6] = [
    "order accepted, waiting for payment",
    "cache miss, loading from the database",
    "connection returned to pool",
    "retrying request after timeout",
    "scheduled job finished",
    "user session refreshed",
];
const EXCEPTIONS: [&str; 4] = [
    "java.lang.IllegalStateException: order is already closed",
    "java.net.SocketTimeoutException: Read timed out",
    "java.lang.NullPointerException: Cannot invoke \"Order.id()\" because \"order\" is null",
    "org.postgresql.util.PSQLException: ERROR: deadlock detected",
];
const WORDS: [&str; 10] = [
    "Größe",
    "naïve",
    "журнал",
    "ログ",
    "日志",
    "سجل",
    "한국어",
    "🚀",
    "👩\u{200d}🔧",
    "line\u{2028}separator\u{2029}",
];

/// A generator of texts of one kind.
#[derive(Clone, Debug)]
pub struct Texts {
    kind: Kind,
    rng: Rng,
    /// Frames of a stack trace that are still to come.
    frames: u64,
    count: u64,
}

impl Texts {
    pub fn new(kind: Kind, seed: u64) -> Self {
        Self { kind, rng: Rng::new(seed), frames: 0, count: 0 }
    }

    /// Appends the next text.
    pub fn next_into(&mut self, into: &mut Vec<u8>) {
        self.count += 1;
        match self.kind {
            Kind::Access => self.access(into),
            Kind::Java => self.java(into),
            Kind::Stack => self.stack(into),
            Kind::Json => self.json(into),
            Kind::MultiByte => self.multi_byte(into),
            Kind::Binary => self.binary(into),
            Kind::Long => self.long(into),
            Kind::Mixed if self.frames > 0 => self.stack(into),
            // A trace has nine lines in the mean: one start in fifty makes every seventh line one
            // of a trace.
            Kind::Mixed => match self.rng.below(50) {
                0 => self.stack(into),
                1..=20 => self.access(into),
                21..=35 => self.java(into),
                _ => self.json(into),
            },
        }
    }

    fn access(&mut self, into: &mut Vec<u8>) {
        let rng = &mut self.rng;
        put(
            into,
            format_args!(
                "10.{}.{}.{} - - [25/Nov/2026:{:02}:{:02}:{:02} +0000] \"{} {}/{} HTTP/1.1\" {} {} \"https://shop.example.com/\" \"{}\" {:.3}",
                rng.below(256),
                rng.below(256),
                rng.below(256),
                rng.below(24),
                rng.below(60),
                rng.below(60),
                rng.pick(&METHODS),
                rng.pick(&PATHS),
                rng.below(1_000_000),
                rng.pick(&STATUSES),
                rng.below(100_000),
                rng.pick(&AGENTS),
                rng.below(5000) as f64 / 1000.0,
            ),
        );
    }

    fn java(&mut self, into: &mut Vec<u8>) {
        let rng = &mut self.rng;
        put(
            into,
            format_args!(
                "2026-11-25 {:02}:{:02}:{:02}.{:03} {:<5} [http-nio-8080-exec-{}] {} - {} id={:08x} trace={:016x} took={}ms",
                rng.below(24),
                rng.below(60),
                rng.below(60),
                rng.below(1000),
                rng.pick(&LEVELS),
                rng.below(200),
                rng.pick(&LOGGERS),
                rng.pick(&EVENTS),
                rng.below(1 << 32),
                rng.next(),
                rng.below(3000),
            ),
        );
    }

    fn stack(&mut self, into: &mut Vec<u8>) {
        if self.frames == 0 {
            self.frames = 3 + self.rng.below(12);
            into.extend_from_slice(self.rng.pick(&EXCEPTIONS).as_bytes());
            return;
        }
        self.frames -= 1;
        let rng = &mut self.rng;
        let logger = rng.pick(&LOGGERS);
        let class = logger.rsplit('.').next().unwrap_or_default();
        put(
            into,
            format_args!(
                "\tat {logger}.handle{}({class}.java:{}) ~[shop-{}.{}.jar!/:na]",
                rng.below(50),
                rng.below(900),
                rng.below(9),
                rng.below(99),
            ),
        );
    }

    fn json(&mut self, into: &mut Vec<u8>) {
        let rng = &mut self.rng;
        put(
            into,
            format_args!(
                "{{\"level\":\"{}\",\"logger\":\"{}\",\"msg\":\"{}\",\"user\":{},\"trace\":\"{:016x}\",\"ms\":{}}}",
                rng.pick(&LEVELS).to_ascii_lowercase(),
                rng.pick(&LOGGERS),
                rng.pick(&EVENTS),
                rng.below(1_000_000),
                rng.next(),
                rng.below(2000),
            ),
        );
    }

    fn multi_byte(&mut self, into: &mut Vec<u8>) {
        for word in 0..=self.rng.below(20) {
            if word > 0 {
                into.push(b' ');
            }
            into.extend_from_slice(self.rng.pick(&WORDS).as_bytes());
        }
    }

    fn binary(&mut self, into: &mut Vec<u8>) {
        for _ in 0..self.rng.below(300) {
            let byte = self.rng.next() as u8;
            into.push(if byte == b'\n' { 0 } else { byte });
        }
    }

    fn long(&mut self, into: &mut Vec<u8>) {
        let length = match self.rng.below(4) {
            0 => 16_300 + self.rng.below(200),
            1 => self.rng.below(65_536),
            _ => self.rng.below(400),
        };
        let begin = into.len();
        while into.len() - begin <= length as usize {
            put(into, format_args!("{:016x} ", self.rng.next()));
        }
        into.truncate(begin + 1 + length as usize);
    }
}

fn put(into: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    into.write_fmt(text).expect("a Vec takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_seeded_and_have_no_newline() {
        for kind in [
            Kind::Access,
            Kind::Java,
            Kind::Stack,
            Kind::Json,
            Kind::MultiByte,
            Kind::Binary,
            Kind::Long,
            Kind::Mixed,
        ] {
            let (mut one, mut other) = (Texts::new(kind, 5), Texts::new(kind, 5));
            for _ in 0..200 {
                let (mut text, mut again) = (Vec::new(), Vec::new());
                one.next_into(&mut text);
                other.next_into(&mut again);
                assert_eq!(text, again);
                assert!(!text.contains(&b'\n'));
                if kind == Kind::Json {
                    crate::json::check(&text).expect("is JSON");
                }
            }
        }
    }
}
