//! A certificate authority for tests, and what the stand-in needs to speak TLS.

use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

/// A certificate chain and its key, both PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    pub certificate_pem: String,
    pub key_pem: String,
}

/// What the stand-in shows to its clients, and what it asks of them.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    pub server: Identity,
    /// PEM of the authority that clients must be signed by; `None`: none is asked for.
    pub client_ca_pem: Option<String>,
}

impl TlsConfig {
    pub fn new(server: Identity) -> Self {
        Self { server, client_ca_pem: None }
    }

    #[must_use]
    pub fn require_client_certificate(mut self, ca_pem: impl Into<String>) -> Self {
        self.client_ca_pem = Some(ca_pem.into());
        self
    }

    pub(super) fn build(&self) -> anyhow::Result<Arc<rustls::ServerConfig>> {
        let chain = CertificateDer::pem_slice_iter(self.server.certificate_pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .context("certificate of the server")?;
        let key = PrivateKeyDer::from_pem_slice(self.server.key_pem.as_bytes())
            .context("key of the server")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match &self.client_ca_pem {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    roots.add(certificate.context("authority of the clients")?)?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// An authority made on the spot; two of them never trust each other.
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl TestCa {
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    pub fn certificate_pem(&self) -> String {
        self.issuer.pem()
    }

    /// DER of the authority's certificate, for pins by fingerprint.
    pub fn certificate_der(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// `names` are host names or IP addresses, such as `localhost` and `127.0.0.1`.
    pub fn server(&self, names: &[&str]) -> anyhow::Result<Identity> {
        self.sign(names, ExtendedKeyUsagePurpose::ServerAuth, (2020, 2120))
    }

    /// A server certificate that ended in 2021.
    pub fn expired_server(&self, names: &[&str]) -> anyhow::Result<Identity> {
        self.sign(names, ExtendedKeyUsagePurpose::ServerAuth, (2020, 2021))
    }

    pub fn client(&self, name: &str) -> anyhow::Result<Identity> {
        self.sign(&[name], ExtendedKeyUsagePurpose::ClientAuth, (2020, 2120))
    }

    pub fn expired_client(&self, name: &str) -> anyhow::Result<Identity> {
        self.sign(&[name], ExtendedKeyUsagePurpose::ClientAuth, (2020, 2021))
    }

    fn sign(
        &self,
        names: &[&str],
        purpose: ExtendedKeyUsagePurpose,
        (from_year, to_year): (i32, i32),
    ) -> anyhow::Result<Identity> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names.clone())?;
        params.distinguished_name.push(DnType::CommonName, names.first().context("no name")?);
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        params.not_before = date_time_ymd(from_year, 1, 1);
        params.not_after = date_time_ymd(to_year, 1, 1);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}
