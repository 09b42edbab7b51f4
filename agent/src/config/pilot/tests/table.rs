//! Each variable of the table, and the page that is made of it.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use super::super::outputs;
use super::super::table::{Effect, Variable, groups};
use super::*;
use crate::config::{Codec, LogLevel, Verify};

/// Each variable of the table, set beside the seed's manifest, does what the table says.
#[test]
fn every_variable_does_what_the_table_says() {
    type Seen = fn(&Config) -> bool;
    let honoured: &[(&str, &str, Seen)] = &[
        ("PILOT_TYPE", "filebeat", |it| it.profile == Some(Profile::Filebeat)),
        ("LOGGING_OUTPUT", "console", |it| it.output == crate::config::Output::Console),
        ("FLUENTD_OUTPUT", "console", |it| it.output == crate::config::Output::Console),
        ("FILEBEAT_OUTPUT", "console", |it| it.output == crate::config::Output::Console),
        ("PILOT_LOG_PREFIX", "aliyun, acme", |it| it.declare.prefixes == ["aliyun", "acme"]),
        ("PILOT_CREATE_SYMLINK", "true", |it| {
            warnings(it)
                == ["PILOT_CREATE_SYMLINK=true has no effect: sluice writes nothing to the host; \
                     `sluice containers` shows where each log is"]
        }),
        ("NODE_NAME", "n1", |it| it.node.is_none()),
        ("DOCKER_HOST", "unix:///d.sock", |it| {
            it.docker.socket.as_deref() == Some(Path::new("/d.sock"))
        }),
        ("DOCKER_HOST", "tcp://e:2375", |it| warnings(it)[0].starts_with("DOCKER_HOST=tcp")),
        ("TZ", "Asia/Shanghai", |it| it.target_zone == Zone::local()),
        ("ELASTICSEARCH_HOSTS", "e:1", |it| output(it).hosts[0].as_str() == "http://e:1/"),
        ("ELASTICSEARCH_HOST", "h", |it| output(it).hosts[0].as_str() == "http://h:9200/"),
        ("ELASTICSEARCH_PORT", "7", |it| output(it).hosts[0].as_str() == "http://es:7/"),
        ("ELASTICSEARCH_SCHEME", "https", |it| output(it).hosts[0].scheme() == "https"),
        ("ELASTICSEARCH_PATH", "p", |it| output(it).hosts[0].path() == "/p"),
        ("ELASTICSEARCH_SSL_VERIFY", "false", |it| output(it).tls.verify == Verify::None),
        ("ELASTICSEARCH_WORKER", "3", |it| {
            output(it).requests_in_flight_max == NonZeroUsize::new(3).expect("not 0")
        }),
        ("FLUENTD_BUFFER_CHUNK_LIMIT", "1m", |it| it.batch.bytes == 1 << 20),
        ("FLUENTD_BUFFER_CHUNK_LIMIT_SIZE", "1m", |it| it.batch.bytes == 1 << 20),
        ("FLUENTD_FLUSH_INTERVAL", "3", |it| it.batch.flush_interval == Duration::from_secs(3)),
        ("FLUENTD_FLUSH_MODE", "immediate", |it| it.batch.flush_interval.is_zero()),
        ("FLUENTD_FLUSH_MODE", "lazy", |it| !it.batch.flush_interval.is_zero()),
        ("FLUENTD_NUM_THREADS", "8", |it| output(it).requests_in_flight_max.get() == 8),
        ("FLUENTD_FLUSH_THREAD_COUNT", "8", |it| output(it).requests_in_flight_max.get() == 8),
        ("FLUENTD_WORKER", "2", |it| it.workers.get() == 2),
        ("FLUENTD_LOG_LEVEL", "warn", |it| it.log.level == LogLevel::Warn),
        ("FLUENTD_ENABLE_MONITOR", "true", |it| it.http_listen == "0.0.0.0:24220".parse().ok()),
        ("FLUENTD_ENABLE_MONITOR", "false", |it| it.http_listen == "127.0.0.1:9600".parse().ok()),
        ("FILEBEAT_SHUTDOWN_TIMEOUT", "7s", |it| it.shutdown_timeout == Duration::from_secs(7)),
        ("FILEBEAT_SHUTDOWN_TIMEOUT", "0", |it| it.shutdown_timeout == Duration::from_secs(20)),
        ("FILEBEAT_LOG_LEVEL", "warning", |it| it.log.level == LogLevel::Warn),
        ("FILEBEAT_MAX_PROCS", "2", |it| it.workers.get() == 2),
    ];
    // Their test is the_user_is_taken_from_file_url_and_variable_in_this_order.
    let mut seen = BTreeSet::from(["ELASTICSEARCH_USER", "ELASTICSEARCH_PASSWORD"]);
    for (name, value, is_seen) in honoured {
        let mut node = fluentd(&[]);
        // Both images' own choice of output is shown where the seed's does not stand before it.
        if *name == "FILEBEAT_OUTPUT" || name.starts_with("FILEBEAT_") {
            node.variables.insert("PILOT_TYPE".into(), "filebeat".into());
        }
        node.variables.insert((*name).to_owned(), (*value).to_owned());
        let config = node.config().unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert!(is_seen(&config), "{name}={value}: {config:?}");
        seen.insert(name);
    }
    for Variable { name, takes: _, effect, .. } in groups().flat_map(|group| group.variables) {
        match effect {
            Effect::Nothing(_) => {
                let mut node = fluentd(&[(name, "1")]);
                if name.starts_with("FILEBEAT_") {
                    node.variables.insert("PILOT_TYPE".into(), "filebeat".into());
                }
                if name.starts_with("CONSOLE_") {
                    node.variables.insert("LOGGING_OUTPUT".into(), "console".into());
                }
                let config = node.config().expect("it is accepted");
                let text = format!("accepted without effect: {name}; docs/log-pilot.md says why");
                assert_eq!(config.remarks, [Remark { weight: Weight::Info, text }]);
            }
            Effect::Required | Effect::Checked => {}
            Effect::Key(_) | Effect::Honoured(_) | Effect::Warned(_) => {
                assert!(seen.contains(name), "{name} has no case");
            }
        }
    }
}

#[test]
fn variables_of_refused_outputs_are_each_checked() {
    for (name, group) in outputs::ABSENT.iter().filter_map(|it| Some((it.0, it.1?))) {
        let mut right = vec![("LOGGING_OUTPUT", name)];
        let needed = group.variables.iter().filter(|it| it.effect == Effect::Required);
        right.extend(needed.map(|it| (it.name, if it.takes == Takes::Port { "1" } else { "x" })));
        for Variable { name, takes, .. } in group.variables {
            let with = |value| Node::new(&right).with(name, value).config().expect_err("refused");
            let wrong = with("no such thing").to_string();
            let is_checked = !matches!(takes, Takes::Text | Takes::List);
            assert_eq!(wrong.starts_with(&format!("{name}: `no such")), is_checked, "{wrong}");
        }
    }
}

#[test]
fn names_of_old_go_before_those_without_effect() {
    let config = fluentd(&[
        ("FLUENTD_BUFFER_CHUNK_LIMIT_SIZE", "4m"),
        ("FLUENTD_BUFFER_CHUNK_LIMIT", "1m"),
        ("FLUENTD_FLUSH_MODE", "immediate"),
        ("FLUENTD_FLUSH_INTERVAL", "2s"),
    ])
    .config()
    .expect("it is right");
    assert_eq!(config.batch.bytes, 1 << 20);
    assert_eq!(config.batch.flush_interval, Duration::from_secs(2));
    assert_eq!(config.compression.codec, Codec::Sluice, "what nobody names keeps its default");
}

#[test]
fn names_are_unique() {
    let mut names = BTreeSet::new();
    for Variable { name, .. } in groups().flat_map(|group| group.variables) {
        assert!(names.insert(name), "{name} stands there twice");
    }
}

#[test]
fn the_tables_of_the_page_are_not_stale() {
    const BEGIN: &str = "<!-- Made from agent/src/config/pilot/table.rs by \
                         `SLUICE_UPDATE=1 cargo test -p sluice stale`. -->\n";
    const END: &str = "<!-- End of what is made. -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/log-pilot.md");
    let page = fs::read_to_string(&path).expect("docs/log-pilot.md is there");
    let (before, rest) = page.split_once(BEGIN).expect("it says where they begin");
    let (made, after) = rest.split_once(END).expect("it says where they end");
    if std::env::var_os("SLUICE_UPDATE").is_some() {
        let page = [before, BEGIN, &variables_page(), "\n", END, after].concat();
        return fs::write(&path, page).expect("it can be written");
    }
    assert!(made == variables_page() + "\n", "run `SLUICE_UPDATE=1 cargo test -p sluice stale`");
}
