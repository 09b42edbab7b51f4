//! Credentials and certificates as they are at this moment in their files.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::settings::{Auth, ElasticsearchSettings, Roots, Secret};

/// What the files hold. Two readings are compared to see whether anything has changed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Material {
    /// The value of the `Authorization` header.
    pub(super) authorization: Option<String>,
    /// PEM of the authorities.
    pub(super) authorities: Option<Vec<u8>>,
    /// PEM of our certificate and its key.
    pub(super) identity: Option<Vec<u8>>,
}

#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// Missing, or without the right to read it.
    #[error("cannot read {what} from {}", path.display())]
    Read { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{what} in {} is no UTF-8", path.display())]
    NotText { what: &'static str, path: PathBuf },
    /// Nothing but white space.
    #[error("{what} in {} is empty", path.display())]
    Empty { what: &'static str, path: PathBuf },
}

impl Material {
    /// Reads small files; may block.
    pub(super) fn read(settings: &ElasticsearchSettings) -> Result<Self, MaterialError> {
        let authorization = match &settings.auth {
            Auth::None => None,
            Auth::Basic { user, password } => {
                let user = secret("the user name", user)?;
                let password = secret("the password", password)?;
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            Auth::ApiKey(key) => {
                let key = secret("the API key", key)?;
                // The encoded form has no colon in its alphabet.
                let key = if key.contains(':') { STANDARD.encode(key) } else { key };
                Some(format!("ApiKey {key}"))
            }
            Auth::Bearer(token) => Some(format!("Bearer {}", secret("the token", token)?)),
        };
        let authorities = match &settings.tls.roots {
            Roots::System => None,
            Roots::SystemAnd(path) | Roots::Only(path) => {
                Some(file("the certificate authorities", path)?)
            }
        };
        let identity = match &settings.tls.client {
            None => None,
            Some(client) => {
                let mut pem = file("the client certificate", &client.certificate_file)?;
                pem.push(b'\n');
                pem.extend(file("the client key", &client.key_file)?);
                Some(pem)
            }
        };
        Ok(Self { authorization, authorities, identity })
    }
}

fn secret(what: &'static str, secret: &Secret) -> Result<String, MaterialError> {
    let path = match secret {
        Secret::Value(value) => return Ok(value.clone()),
        Secret::File(path) => path,
    };
    let text = String::from_utf8(file(what, path)?)
        .map_err(|_| MaterialError::NotText { what, path: path.clone() })?;
    match text.trim() {
        "" => Err(MaterialError::Empty { what, path: path.clone() }),
        text => Ok(text.to_owned()),
    }
}

fn file(what: &'static str, path: &Path) -> Result<Vec<u8>, MaterialError> {
    fs::read(path).map_err(|source| MaterialError::Read { what, path: path.to_owned(), source })
}
