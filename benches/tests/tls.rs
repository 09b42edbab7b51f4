//! The stand-in's TLS: whom it shows itself to, and whom it lets in.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sluice_bench::standin::tls::{Identity, TestCa, TlsConfig};
use sluice_bench::standin::{Standin, StandinConfig};

fn start(tls: TlsConfig) -> Standin {
    let config = StandinConfig { tls: Some(tls), ..StandinConfig::default() };
    Standin::start(config).expect("starts")
}

/// The status line of `GET /`.
fn greet(
    standin: &Standin,
    ca: &TestCa,
    name: &str,
    client: Option<&Identity>,
) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ca.certificate_der())).expect("is a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("has versions")
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes())
                .collect::<Result<Vec<_>, _>>()
                .expect("is PEM");
            let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).expect("is PEM");
            builder.with_client_auth_cert(chain, key).expect("fit each other")
        }
    };
    let name = ServerName::try_from(name.to_owned()).expect("is a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("is configured");
    let socket = TcpStream::connect(standin.addr())?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[test]
fn certificates_by_name_authority_and_time() {
    let ca = TestCa::new("ours").expect("is made");
    let names = ["localhost", "127.0.0.1"];
    let good = TlsConfig::new(ca.server(&names).expect("is signed"));
    let standin = start(good.clone());
    assert!(standin.url().starts_with("https://localhost:"));
    assert_eq!(greet(&standin, &ca, "localhost", None).expect("answers"), "HTTP/1.1 200 OK");
    assert_eq!(greet(&standin, &ca, "127.0.0.1", None).expect("answers"), "HTTP/1.1 200 OK");
    assert!(greet(&standin, &ca, "elsewhere", None).is_err());
    let other = TestCa::new("theirs").expect("is made");
    assert!(greet(&standin, &other, "localhost", None).is_err());

    let expired = TlsConfig::new(ca.expired_server(&names).expect("is signed"));
    standin.set_tls(&expired).expect("is good");
    assert!(greet(&standin, &ca, "localhost", None).is_err());
    standin.set_tls(&good).expect("is good");
    assert!(greet(&standin, &ca, "localhost", None).is_ok());
}

#[test]
fn client_certificates() {
    let ca = TestCa::new("ours").expect("is made");
    let server = TlsConfig::new(ca.server(&["localhost"]).expect("is signed"));
    let standin = start(server.require_client_certificate(ca.certificate_pem()));
    let check = |client: Option<Identity>, is_admitted: bool| {
        let outcome = greet(&standin, &ca, "localhost", client.as_ref());
        assert_eq!(outcome.is_ok(), is_admitted, "{outcome:?}");
    };
    check(None, false);
    check(Some(ca.client("agent").expect("is signed")), true);
    check(Some(ca.expired_client("agent").expect("is signed")), false);
    let other = TestCa::new("theirs").expect("is made");
    check(Some(other.client("agent").expect("is signed")), false);
}
