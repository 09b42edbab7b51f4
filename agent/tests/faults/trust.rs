//! Certificates that cannot be trusted, and those that can.

use serde_json::json;
use sluice_bench::load::Stream;
use sluice_bench::standin::tls::{Identity, TestCa, TlsConfig};

use super::common::{IN_TIME, SOON};
use super::{Over, Scene, server_identity};

/// With a certificate that cannot be trusted nothing is sent; with a right one everything is.
#[track_caller]
fn distrusted_then_mended(identity: Identity, words: &[&str], scene: &Scene) {
    scene.standin.set_tls(&TlsConfig::new(identity)).expect("a certificate of the test's");
    let mut writer = scene.writer("one");
    writer.lines(Stream::Stdout, 100);
    let agent = scene.node.start();
    scene.expect_nothing_but_attempts(|snapshot| snapshot.connections >= 3);
    assert_eq!(scene.snapshot().requests, 0, "something was sent to a stranger");
    for word in words {
        agent.wait_for_word(word, SOON);
    }
    let right = TlsConfig::new(server_identity(&scene.ca));
    scene.standin.set_tls(&right).expect("a certificate of the test's");
    scene.expect_all(&writer, agent);
}

#[test]
fn a_certificate_of_another_name() {
    let scene = Scene::new(Over::Tls);
    let wrong = scene.ca.server(&["elsewhere.example"]).expect("a certificate can be made");
    distrusted_then_mended(wrong, &["localhost", "certificate"], &scene);
}

#[test]
fn a_certificate_that_has_expired() {
    let scene = Scene::new(Over::Tls);
    let old = scene.ca.expired_server(&["localhost"]).expect("a certificate can be made");
    distrusted_then_mended(old, &["localhost", "certificate", "expired"], &scene);
}

#[test]
fn a_certificate_of_another_authority() {
    let scene = Scene::new(Over::Tls);
    let stranger = TestCa::new("stranger").expect("an authority can be made");
    distrusted_then_mended(server_identity(&stranger), &["localhost", "certificate"], &scene);
}

#[test]
fn the_servers_authority_is_replaced() {
    let scene = Scene::new(Over::Tls);
    let mut writer = scene.writer("one");
    writer.lines(Stream::Stdout, 100);
    let agent = scene.node.start();
    assert!(scene.standin.wait_count(100, SOON), "{:#?}", scene.snapshot());
    let next = TestCa::new("next").expect("an authority can be made");
    scene.standin.go_down();
    scene.standin.set_tls(&TlsConfig::new(server_identity(&next))).expect("a certificate");
    scene.standin.come_up().expect("the port is still ours");
    let connections = scene.snapshot().connections;
    writer.lines(Stream::Stdout, 100);
    let tried = scene.standin.wait_for(IN_TIME, |snapshot| snapshot.connections > connections + 1);
    assert!(tried, "{:#?}", scene.snapshot());
    assert_eq!(scene.standin.count(), 100);
    scene.node.write("ca.pem", &next.certificate_pem());
    agent.signal(rustix::process::Signal::HUP);
    scene.expect_all(&writer, agent);
}

#[test]
fn the_server_asks_for_a_client_certificate() {
    let mut scene = Scene::new(Over::Tls);
    let clients = TestCa::new("clients").expect("an authority can be made");
    let strangers = TestCa::new("strangers").expect("an authority can be made");
    let asking = TlsConfig::new(server_identity(&scene.ca))
        .require_client_certificate(clients.certificate_pem());
    scene.standin.set_tls(&asking).expect("a certificate of the test's");
    let stranger = strangers.client("agent").expect("a certificate can be made");
    let certificate = scene.node.write("client.pem", &stranger.certificate_pem);
    let key = scene.node.write("client.key", &stranger.key_pem);
    scene.node.set("output.elasticsearch.cert_file", json!(certificate));
    scene.node.set("output.elasticsearch.key_file", json!(key));
    let mut writer = scene.writer("one");
    writer.lines(Stream::Stdout, 100);
    let agent = scene.node.start();
    scene.expect_nothing_but_attempts(|snapshot| snapshot.connections >= 2);
    let client = clients.client("agent").expect("a certificate can be made");
    scene.node.write("client.key", &client.key_pem);
    scene.node.write("client.pem", &client.certificate_pem);
    agent.signal(rustix::process::Signal::HUP);
    scene.expect_all(&writer, agent);
    assert!(scene.snapshot().requests > 0);
}
