//! One HTTP client with its credentials, made anew when their files change.

use std::path::PathBuf;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Certificate, Identity, Url};

use super::material::{Material, MaterialError};
use super::settings::{ElasticsearchSettings, Roots, Verification};

pub(super) struct Client {
    pub(super) http: reqwest::Client,
    /// Without a slash at the end.
    pub(super) hosts: Vec<String>,
    material: Material,
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Material(#[from] MaterialError),
    #[error("host {host:?} is no http or https URL: {why}")]
    Host { host: String, why: String },
    #[error("{} holds no certificate authority in PEM form", path.display())]
    Authorities { path: PathBuf },
    #[error("{} and {} are no client certificate and key in PEM form", certificate.display(), key.display())]
    Identity { certificate: PathBuf, key: PathBuf, source: reqwest::Error },
    #[error("the credentials hold characters that no header may have")]
    Authorization,
    /// The system has no certificate authorities, or certificate and key do not belong together.
    #[error("cannot set up TLS; name an authority in tls.ca_file if the system has none: {text}")]
    Setup { text: String, source: reqwest::Error },
}

impl Client {
    /// May block for reading small files.
    pub(super) fn load(settings: &ElasticsearchSettings) -> Result<Self, ClientError> {
        Self::build(settings, Material::read(settings)?)
    }

    /// Another client if any file has changed since this one was made.
    pub(super) fn reload(
        &self,
        settings: &ElasticsearchSettings,
    ) -> Result<Option<Self>, ClientError> {
        let material = Material::read(settings)?;
        if material == self.material {
            return Ok(None);
        }
        Self::build(settings, material).map(Some)
    }

    fn build(settings: &ElasticsearchSettings, material: Material) -> Result<Self, ClientError> {
        // Fails if somebody was first, which is as good: reqwest takes the one that is there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let hosts = settings.hosts.iter().map(|it| host(it)).collect::<Result<Vec<_>, _>>()?;
        let is_plain = hosts.iter().all(|it| it.starts_with("http:"));
        let mut headers = HeaderMap::new();
        let agent = concat!("sluice/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        if let Some(text) = &material.authorization {
            let mut value = HeaderValue::from_str(text).map_err(|_| ClientError::Authorization)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = reqwest::Client::builder()
            .http1_only()
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(settings.connect_timeout)
            .pool_max_idle_per_host(settings.ship.requests_in_flight_max)
            .tcp_keepalive(std::time::Duration::from_secs(30))
            .tcp_nodelay(true);
        builder = match roots(settings, &material)? {
            // No certificate will be looked at, and a small image may have none.
            _ if is_plain => builder.tls_certs_only([]),
            TrustedRoots::System => builder,
            TrustedRoots::Merged(certificates) => builder.tls_certs_merge(certificates),
            TrustedRoots::Only(certificates) => builder.tls_certs_only(certificates),
        };
        if let (Some(pem), Some(client)) = (&material.identity, &settings.tls.client) {
            let identity = Identity::from_pem(pem).map_err(|source| ClientError::Identity {
                certificate: client.certificate_file.clone(),
                key: client.key_file.clone(),
                source,
            })?;
            builder = builder.identity(identity);
        }
        if settings.tls.verification == Verification::None {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        let http = builder.build().map_err(|source| {
            let text = super::wire::chain(&source);
            ClientError::Setup { text, source }
        })?;
        Ok(Self { http, hosts, material })
    }
}

enum TrustedRoots {
    System,
    Merged(Vec<Certificate>),
    Only(Vec<Certificate>),
}

fn roots(
    settings: &ElasticsearchSettings,
    material: &Material,
) -> Result<TrustedRoots, ClientError> {
    let (Roots::SystemAnd(path) | Roots::Only(path)) = &settings.tls.roots else {
        return Ok(TrustedRoots::System);
    };
    let pem = material.authorities.as_deref().unwrap_or_default();
    let certificates = Certificate::from_pem_bundle(pem)
        .ok()
        .filter(|it| !it.is_empty())
        .ok_or_else(|| ClientError::Authorities { path: path.clone() })?;
    Ok(match settings.tls.roots {
        Roots::Only(_) => TrustedRoots::Only(certificates),
        _ => TrustedRoots::Merged(certificates),
    })
}

fn host(text: &str) -> Result<String, ClientError> {
    let wrong = |why: String| ClientError::Host { host: text.to_owned(), why };
    let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("it begins with another scheme".to_owned()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("a query has no meaning here".to_owned()));
    }
    // Credentials in a URL end up in logs.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("credentials belong to the auth settings".to_owned()));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_urls_without_extras() {
        let check = |text: &str| host(text).ok();
        assert_eq!(check("http://a:9200").as_deref(), Some("http://a:9200"));
        assert_eq!(check("https://a:9200/es/").as_deref(), Some("https://a:9200/es"));
        assert_eq!(check("https://[::1]:9200").as_deref(), Some("https://[::1]:9200"));
        for text in ["a:9200", "ftp://a", "http://", "http://u:p@a", "http://a?x=1", ""] {
            assert_eq!(check(text), None, "{text}");
        }
    }
}
