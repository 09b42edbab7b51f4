//! Who may ask. Changeable while the stand-in runs, as when a key is rotated.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A request is let in if any of these fits.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// Complete values of the `Authorization` header.
    accepted: Vec<String>,
}

impl Auth {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn basic(mut self, user: &str, password: &str) -> Self {
        self.accepted.push(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        self
    }

    /// `key` as the client is given it: the base64 form of `id:key`.
    #[must_use]
    pub fn api_key(mut self, key: &str) -> Self {
        self.accepted.push(format!("ApiKey {key}"));
        self
    }

    #[must_use]
    pub fn bearer(mut self, token: &str) -> Self {
        self.accepted.push(format!("Bearer {token}"));
        self
    }

    /// Names of schemes are compared without case, credentials to the byte.
    pub(super) fn admits(&self, header: Option<&str>) -> bool {
        let Some((scheme, credentials)) = header.and_then(|header| header.split_once(' ')) else {
            return false;
        };
        self.accepted.iter().any(|accepted| {
            accepted.split_once(' ').is_some_and(|(known, expected)| {
                known.eq_ignore_ascii_case(scheme) && expected == credentials.trim()
            })
        })
    }
}
