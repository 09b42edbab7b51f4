//! A web server's access log in which visitors and pages come again: few often, many seldom.

use super::fields::{AGENTS, Pool, WORDS};
use crate::rng::Rng;

const VISITORS: usize = 4000;
const PAGES: usize = 1500;
const STATUSES: [u16; 12] = [200, 200, 200, 200, 200, 200, 200, 200, 304, 304, 302, 404];

/// A page and its size, which is the same each time.
struct Page {
    path: String,
    bytes: u64,
}

pub(super) struct Access {
    rng: Rng,
    visitors: Pool<String>,
    pages: Pool<Page>,
    second: u64,
}

impl Access {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let visitors = Pool::new(VISITORS, || visitor(&mut rng));
        let pages = Pool::new(PAGES, || page(&mut rng));
        Self { rng, visitors, pages, second: 0 }
    }

    pub(super) fn next_into(&mut self, line: &mut Vec<u8>) {
        let rng = &mut self.rng;
        self.second += rng.below(3);
        let (hour, minute, second) =
            (self.second / 3600 % 24, self.second / 60 % 60, self.second % 60);
        let visitor = self.visitors.pick(rng);
        let page = self.pages.pick(rng);
        let status = *rng.pick(&STATUSES);
        let bytes = match status {
            200 => page.bytes,
            _ => 0,
        };
        let path = &page.path;
        let text = format!(
            "{visitor} - - [28/Nov/2026:{hour:02}:{minute:02}:{second:02} +0000] \
             \"GET {path} HTTP/1.1\" {status} {bytes}"
        );
        line.extend_from_slice(text.as_bytes());
        if rng.below(4) == 0 {
            let agent = *rng.pick(&AGENTS);
            let from = &self.pages.pick(rng).path;
            let text = format!(" \"https://www.example.org{from}\" \"{agent}\"");
            line.extend_from_slice(text.as_bytes());
        }
    }
}

fn visitor(rng: &mut Rng) -> String {
    let [a, b, c, d] = [(); 4].map(|()| rng.below(256));
    match rng.below(3) {
        0 => format!("{a}.{b}.{c}.{d}"),
        1 => format!("{}{a}.{}.net", rng.pick(&WORDS), rng.pick(&WORDS)),
        _ => format!("dialup-{a}-{b}.{}.example.com", rng.pick(&WORDS)),
    }
}

fn page(rng: &mut Rng) -> Page {
    let mut path = String::new();
    for _ in 0..=rng.below(4) {
        path.push('/');
        path.push_str(rng.pick::<&str>(&WORDS));
        if rng.below(4) == 0 {
            path.push('-');
            path.push_str(&rng.below(100).to_string());
        }
    }
    path.push_str(rng.pick::<&str>(&["/", ".html", ".gif", ".jpg", ".txt", ".js"]));
    Page { path, bytes: rng.below(60_000) }
}
