//! Bodies of bulk requests to measure codecs on, the same bytes for the same name.
//!
//! takes: a name out of [`Content`]
//! gives: documents framed as the agent frames them, some 8 MiB
//! owns:  nothing
//! never: reads anything, so that a figure can be repeated anywhere
//!
//! Invariants:
//! * The check sums are written down, and a test compares them: a figure belongs to these bytes.

mod access;
mod fields;
mod template;
mod varied;

use std::str::FromStr;

use access::Access;
use varied::Varied;

use super::escape::escape_into;
use super::stamp::Stamp;
use super::text::{Kind, Texts};
use crate::rng::Rng;

/// Larger than every cache that a core has to itself.
const BODY_BYTES: usize = 8 << 20;
const SEED: u64 = 20_261_128;
/// Mean time between two documents.
const STEP_NANOS: u64 = 1_500_000;
/// What a rich document has behind the text.
const RICH: &str = r#","kubernetes":{"namespace":"shop-production","pod":{"name":"order-service-7c9d8f6b54-x2x9k","uid":"0c1f9e0e-5e0b-4c5e-9f57-2d0d4d2f1f11"},"container":{"name":"order-service","image":"registry.example.com/shop/order-service:1.42.0"},"node":{"name":"ip-10-0-12-34.eu-west-1.compute.internal"},"labels":{"app":"order-service","team":"checkout","version":"1.42.0"}}"#;

/// What a body is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Few templates with random numbers and ids.
    Lean,
    LeanRich,
    /// One web server, whose visitors and pages come again as often as they do.
    Access,
    AccessRich,
    /// One program after the other, out of sixty kinds.
    Mixed,
    MixedRich,
    /// Words of many alphabets.
    MultiByte,
    /// Hexadecimal digits and base64.
    Random,
}

impl Content {
    pub const ALL: [Self; 8] = [
        Self::Lean,
        Self::LeanRich,
        Self::Access,
        Self::AccessRich,
        Self::Mixed,
        Self::MixedRich,
        Self::MultiByte,
        Self::Random,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Lean => "lean",
            Self::LeanRich => "rich",
            Self::Access => "access",
            Self::AccessRich => "access-rich",
            Self::Mixed => "mixed",
            Self::MixedRich => "mixed-rich",
            Self::MultiByte => "multi-byte",
            Self::Random => "random",
        }
    }

    /// CRC-32 of the body.
    pub fn check_sum(self) -> u32 {
        match self {
            Self::Lean => 0x898a_079d,
            Self::LeanRich => 0x4dd1_11ad,
            Self::Access => 0xcf27_de99,
            Self::AccessRich => 0xafac_9755,
            Self::Mixed => 0xd288_6f38,
            Self::MixedRich => 0x468a_3284,
            Self::MultiByte => 0x8f22_9671,
            Self::Random => 0xd69b_fa36,
        }
    }

    pub fn body(self) -> Vec<u8> {
        match self {
            Self::Lean | Self::LeanRich => self.documents(of_texts(Kind::Mixed)),
            Self::Access | Self::AccessRich => {
                let mut access = Access::new(SEED);
                self.documents(move |line| access.next_into(line))
            }
            Self::Mixed | Self::MixedRich => {
                let mut varied = Varied::new(SEED);
                self.documents(move |line| varied.next_into(line))
            }
            Self::MultiByte => self.documents(of_texts(Kind::MultiByte)),
            Self::Random => {
                let mut rng = Rng::new(SEED);
                self.documents(move |line| random(&mut rng, line))
            }
        }
    }

    fn is_rich(self) -> bool {
        matches!(self, Self::LeanRich | Self::AccessRich | Self::MixedRich)
    }

    fn documents(self, mut next_into: impl FnMut(&mut Vec<u8>)) -> Vec<u8> {
        let mut body = Vec::with_capacity(BODY_BYTES + (64 << 10));
        let mut rng = Rng::new(SEED);
        let mut stamp = Stamp(1_795_880_000_000_000_000);
        let mut line = Vec::new();
        while body.len() < BODY_BYTES {
            line.clear();
            next_into(&mut line);
            stamp.0 += 20_000 + rng.below(2 * STEP_NANOS);
            body.extend_from_slice(b"{\"create\":{}}\n{\"@timestamp\":\"");
            body.extend_from_slice(stamp.padded().as_bytes());
            body.extend_from_slice(b"\",\"message\":\"");
            escape_into(&mut body, &line);
            let stream = if rng.below(16) == 0 { "stderr" } else { "stdout" };
            body.extend_from_slice(b"\",\"stream\":\"");
            body.extend_from_slice(stream.as_bytes());
            body.push(b'"');
            if self.is_rich() {
                body.extend_from_slice(RICH.as_bytes());
            }
            body.extend_from_slice(b"}\n");
        }
        body
    }
}

impl FromStr for Content {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|content| content.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("unknown content {name}; known are {names}")
        })
    }
}

fn of_texts(kind: Kind) -> impl FnMut(&mut Vec<u8>) {
    let mut texts = Texts::new(kind, SEED);
    move |line| texts.next_into(line)
}

fn random(rng: &mut Rng, line: &mut Vec<u8>) {
    const HEX: &[u8] = b"0123456789abcdef";
    const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let alphabet = if rng.below(2) == 0 { HEX } else { BASE64 };
    for _ in 0..20 + rng.below(300) {
        line.push(*rng.pick(alphabet));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_those_that_figures_belong_to() {
        for content in Content::ALL {
            let body = content.body();
            assert_eq!(crc32fast::hash(&body), content.check_sum(), "{}", content.name());
            let lines = body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
            for (document, line) in lines.take(2000).enumerate() {
                crate::json::check(line)
                    .unwrap_or_else(|error| panic!("{}, {document}: {error:?}", content.name()));
            }
        }
    }

    #[test]
    fn names_come_back() {
        for content in Content::ALL {
            assert_eq!(content.name().parse(), Ok(content));
        }
        assert!("poem".parse::<Content>().is_err());
    }
}
