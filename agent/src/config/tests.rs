use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reference::KEYS;
use super::*;
use crate::discover::opens;
use crate::encode::Zone;
use crate::watch::RungName;

fn surroundings() -> Surroundings {
    let variables = [("ES", "es1:9200,https://es2"), ("N", "3"), ("PW", "s3cret")];
    Surroundings {
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        cores: 16,
        ..Surroundings::default()
    }
}

fn parsed(text: &str) -> Result<Config, ConfigError> {
    parse(text, Path::new("sluice.yaml"), &Overrides::default(), &surroundings())
}

fn elasticsearch(settings: &str) -> Result<Elasticsearch, ConfigError> {
    let indented = settings.replace('\n', "\n    ");
    let config = parsed(&format!("output:\n  elasticsearch:\n    hosts: [es]\n    {indented}"))?;
    match config.output {
        Output::Elasticsearch(settings) => Ok(*settings),
        Output::Console => panic!("the output is elasticsearch"),
    }
}

#[track_caller]
fn refused(text: &str, message: &str) {
    let fault = parsed(text).expect_err("it is refused").to_string();
    assert_eq!(fault, message, "{text}");
}

#[test]
fn nothing_written_means_the_defaults() {
    for text in ["", "# only a comment\n", "{}"] {
        let config = parsed(text).expect("the defaults hold");
        assert_eq!(config.state_dir, Path::new("/var/lib/sluice"));
        assert_eq!(config.workers.get(), 4);
        assert_eq!(config.output, Output::Console);
        assert_eq!(config.http_listen, "127.0.0.1:9600".parse().ok());
        assert_eq!(config.read_from, ReadFrom::Head);
        assert_eq!(
            config.collect,
            Collect {
                stdout: Stdout::All,
                files: Files::Declared,
                files_deny: opens::DENY.map(str::to_owned).to_vec(),
                labels: vec![],
            }
        );
        assert_eq!(config.node, None);
        assert_eq!(config.declare.prefixes, ["sluice", "aliyun"]);
        assert_eq!((config.profile, config.remarks), (None, vec![]));
    }
}

#[test]
fn a_level_asks_for_the_codec_that_has_levels() {
    let check = |settings: &str, codec: Codec, level: u8| {
        let config = parsed(&format!("compression: {{{settings}}}")).expect("it is right");
        assert_eq!(config.compression, Compression { codec, level }, "{settings}");
    };
    check("", Codec::Sluice, 1);
    check("codec: auto", Codec::Sluice, 1);
    check("level: 1", Codec::ZlibRs, 1);
    check("codec: auto, level: 6", Codec::ZlibRs, 6);
    check("codec: zlib-rs", Codec::ZlibRs, 1);
    check("codec: sluice, level: 6", Codec::Sluice, 6);
    refused(
        "compression: {codec: zstd}",
        "sluice.yaml:1:22: compression.codec: `zstd` does not fit; \
         expected auto or sluice or zlib-rs or stored",
    );
}

#[test]
fn every_key_is_understood() {
    let config = parsed(
        "state_dir: /s\nnode: n1\nworkers: ${N}\nread_from: 24h\n\
         collect: {stdout: declared, files: discovered, files_deny: '*.x', labels: [com.a.*, b]}\n\
         declare: {prefixes: 'acme, aliyun'}\ntarget: logs\ntarget_zone: '+08:00'\nshape: pilot\nevent_bytes_max: 1MiB\n\
         partial_timeout: 2s\nbatch: {bytes: 1MiB, flush_interval: 0s}\n\
         compression: {codec: stored, level: 6}\n\
         docker: {socket: off, root: /d, host_prefix: /host}\n\
         output: {console: {}}\nhttp: {listen: off}\nlog: {format: json, level: debug}\n\
         watch: {rung: kprobe, require: ebpf}\n\
         shutdown_timeout: 5s\n",
    )
    .expect("all of it is right");
    assert_eq!(config.state_dir, Path::new("/s"));
    assert_eq!(config.node.as_deref(), Some("n1"));
    assert_eq!(config.workers.get(), 3);
    assert_eq!(config.read_from, ReadFrom::Age(Duration::from_hours(24)));
    assert_eq!(config.collect.stdout, Stdout::Declared);
    assert_eq!(config.collect.files, Files::Discovered);
    assert_eq!(config.collect.files_deny, ["*.x"]);
    assert_eq!(config.collect.labels, ["com.a.*", "b"]);
    assert_eq!(config.declare.prefixes, ["acme", "aliyun"]);
    assert_eq!(config.target, "logs");
    assert_eq!(config.target_zone, Zone::Fixed { seconds: 8 * 3600 });
    assert_eq!(config.shape, Shape::Pilot);
    assert_eq!(config.event_bytes_max, 1 << 20);
    assert_eq!(config.partial_timeout, Duration::from_secs(2));
    assert_eq!(config.batch, Batching { bytes: 1 << 20, flush_interval: Duration::ZERO });
    assert_eq!(config.compression, Compression { codec: Codec::Stored, level: 6 });
    assert_eq!(
        config.docker,
        Docker { socket: None, root: "/d".into(), host_prefix: "/host".into() }
    );
    assert_eq!(config.output, Output::Console);
    assert_eq!(config.http_listen, None);
    assert_eq!(config.log, Log { format: LogFormat::Json, level: LogLevel::Debug });
    let watch = Watch { rung: RungName::Kprobe, require_kernel: true };
    assert_eq!(config.watch, watch);
    assert_eq!(config.shutdown_timeout, Duration::from_secs(5));
}

#[test]
fn elasticsearch_is_understood() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| -> PathBuf {
        let path = directory.path().join(name);
        fs::write(&path, text).expect("it can be written");
        path
    };
    let (password, pem) = (file("password", " hush\n"), file("pem", "PEM"));
    let settings = elasticsearch(&format!(
        "user: elastic\npassword_file: {}\nca_file: {pem}\ncert_file: {pem}\nkey_file: {pem}\n\
         verify: none\nserver: opensearch-2.19\ntype: doc\ntimeout: 5s\nrequests_in_flight_max: 2\n\
         when_refused: {{dead_letter_after: 1h}}",
        password.display(),
        pem = pem.display(),
    ))
    .expect("all of it is right");
    assert_eq!(settings.hosts[0].as_str(), "http://es:9200/");
    let source = SecretSource::File(password);
    assert_eq!(source.read().expect("it is there").reveal(), "hush");
    assert_eq!(
        settings.credentials,
        Credentials::Basic { user: "elastic".into(), password: source }
    );
    assert_eq!(
        settings.tls,
        Tls { ca_file: Some(pem.clone()), client: Some((pem.clone(), pem)), verify: Verify::None }
    );
    let family = Family::OpenSearch;
    assert_eq!(settings.server, Server::Given { family, major: 2, minor: 19 });
    assert_eq!(settings.mapping_type, "doc");
    assert_eq!(settings.timeout, Duration::from_secs(5));
    assert_eq!(settings.requests_in_flight_max.get(), 2);
    assert_eq!(settings.when_refused, WhenRefused::DeadLetterAfter(Duration::from_hours(1)));

    let settings = elasticsearch("when_refused: wait").expect("it is right");
    assert_eq!(settings.when_refused, WhenRefused::Wait);
    assert_eq!(settings.mapping_type, "_doc");
}

#[test]
fn hosts_may_be_one_text() {
    let config = parsed("output: {elasticsearch: {hosts: '${ES}'}}").expect("it is right");
    let Output::Elasticsearch(settings) = config.output else { panic!("it is chosen") };
    let hosts: Vec<_> = settings.hosts.iter().map(reqwest::Url::as_str).collect();
    assert_eq!(hosts, ["http://es1:9200/", "https://es2/"]);
}

#[test]
fn unknown_keys_have_a_suggestion_and_a_place() {
    refused("colect: {}", "sluice.yaml:1:1: unknown key `colect`; did you mean `collect`?");
    refused("log:\n  levle: info\n", "sluice.yaml:2:3: unknown key `levle`; did you mean `level`?");
    refused(
        "output:\n  elasticsearch:\n    hosts: [a]\n    pasword: x\n",
        "sluice.yaml:4:5: unknown key `pasword`; did you mean `password`?",
    );
    refused(
        "hosts: [a]",
        "sluice.yaml:1:1: unknown key `hosts`; it belongs at `output.elasticsearch.hosts`",
    );
    refused(
        "output: {console: {pretty: 1}}",
        "sluice.yaml:1:20: unknown key `pretty`; nothing can be set here",
    );
    refused(
        "output: {elasticsearch: {hosts: [a], when_refused: {dead_leter_after: 1h}}}",
        "sluice.yaml:1:53: unknown key `dead_leter_after`; did you mean `dead_letter_after`?",
    );
    refused("log: {zzz: 1}", "sluice.yaml:1:7: unknown key `zzz`; expected one of format, level");
}

#[test]
fn what_is_not_of_the_right_form_has_a_place() {
    refused("log: {level: a\n", "sluice.yaml:1:6: unclosed bracket '{'");
    refused("log: [a]", "sluice.yaml:1:6: expected a section: keys with their values");
    refused("node: [a]", "sluice.yaml:1:7: expected a single value");
    refused("node: a\nnode: b\n", "sluice.yaml:2:1: `node` is set a second time; keep one of them");
}

#[test]
fn values_that_do_not_fit_name_the_way_out() {
    refused(
        "batch:\n  flush_interval: 5\n",
        "sluice.yaml:2:19: batch.flush_interval: `5` does not fit; \
         expected a time with its unit, like 250ms, 5s, 10m, 24h or 7d",
    );
    refused(
        "shape: flat",
        "sluice.yaml:1:8: shape: `flat` does not fit; expected ecs or pilot or pilot-strict",
    );
    refused(
        "node: a\nworkers: ${WORKERS}\n",
        "sluice.yaml:2:10: workers: variable `WORKERS` is not set; \
         set it, or give a default with `${WORKERS:default}`",
    );
    refused(
        "output: {elasticsearch: {hosts: ['http://u:pw@es']}}",
        "sluice.yaml:1:34: output.elasticsearch.hosts: `http://…@es` does not fit; \
         expected no credentials in the URL; they belong into `user` and `password_file`, \
         where no log shows them",
    );
    refused(
        "output: {elasticsearch: {hosts: [a]}, console: {}}",
        "sluice.yaml: `output` names both `elasticsearch` and `console`; keep one of them",
    );
    refused(
        "output: {elasticsearch: {}}",
        "sluice.yaml: the output `elasticsearch` has no hosts; \
         set `output.elasticsearch.hosts`, or give --hosts",
    );
    for bad in [
        "workers: 0",
        "declare: {prefixes: ', '}",
        "declare: {prefixes: 'a b'}",
        "workers: many",
        "read_from: yesterday",
        "target: Logs",
        "target: .hidden",
        "target_zone: Mars/Olympus",
        "target_zone: '+8:75'",
        "event_bytes_max: 1KiB",
        "compression: {level: 10}",
        "state_dir: relative",
        "http: {listen: 9600}",
        "docker: {socket: docker.sock}",
        "collect: [all]",
        "state_dir: {a: b}",
        "output: {elasticsearch: {hosts: [a], when_refused: never}}",
        "output: {elasticsearch: {hosts: ['ftp://a']}}",
        "workers: 1\nworkers: 2\n",
        "a: [",
    ] {
        parsed(bad).expect_err(bad);
    }
}

/// Whoever comments out the last setting of a section leaves a section without a value.
#[test]
fn an_empty_section_is_a_section_without_settings() {
    let config = parsed("log:\nbatch: ~\ncollect: {labels: }\noutput: {console: }\n");
    assert_eq!(config.expect("it is right").output, Output::Console);
    refused(
        "output:\n  elasticsearch:\n",
        "sluice.yaml: the output `elasticsearch` has no hosts; \
         set `output.elasticsearch.hosts`, or give --hosts",
    );
}

#[test]
fn credentials_are_one_kind() {
    let check = |settings: &str, right: bool| {
        assert_eq!(elasticsearch(settings).is_ok(), right, "{settings}");
    };
    check("user: a\npassword: ${PW}", true);
    check("api_key: abc", true);
    check("user: a", false);
    check("password: a", false);
    check("user: a\npassword: b\napi_key: c", false);
    check("user: a\npassword: ''", false);
    check("user: a\npassword: b\npassword_file: /dev/null", false);
    check("bearer_file: /nowhere/token", false);
    check("bearer_file: /dev/null", false);
    check("cert_file: /dev/null", false);
    check("ca_file: /nowhere/ca.pem", false);
}

#[test]
fn secrets_are_not_shown() {
    let settings = elasticsearch("user: a\npassword: ${PW}").expect("it is right");
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[test]
fn flags_win_over_the_file() {
    let file = "state_dir: /a\noutput: {elasticsearch: {hosts: [old], timeout: 7s}}\n";
    let check = |flags: Overrides| {
        parse(file, Path::new("f"), &flags, &surroundings()).expect("it is right")
    };
    let config = check(Overrides {
        state_dir: Some("/b".into()),
        node: Some("n".into()),
        hosts: vec!["new".into(), "newer".into()],
        ..Overrides::default()
    });
    assert_eq!(config.state_dir, Path::new("/b"));
    assert_eq!(config.node.as_deref(), Some("n"));
    let Output::Elasticsearch(settings) = config.output else { panic!("hosts choose it") };
    assert_eq!(settings.hosts.len(), 2);
    assert_eq!(settings.timeout, Duration::from_secs(7));

    let config = check(Overrides { output: Some(OutputKind::Console), ..Overrides::default() });
    assert_eq!(config.output, Output::Console);

    let flags = Overrides { hosts: vec!["ftp://x".into()], ..Overrides::default() };
    let fault = parse("", Path::new("f"), &flags, &surroundings()).expect_err("no such scheme");
    assert!(fault.to_string().starts_with("--hosts: "), "{fault}");
}

#[test]
fn a_named_file_has_to_exist() {
    let flags = Overrides { config: Some("/nowhere/s.yaml".into()), ..Overrides::default() };
    let fault = load(&flags, &surroundings()).expect_err("it is not there").to_string();
    assert!(fault.contains("/nowhere/s.yaml") && fault.contains("--config"), "{fault}");
}

/// What a section takes, by asking serde with a key that nobody has.
fn keys_of(section: &str, keys: &mut BTreeSet<String>) {
    let parts: Vec<_> = section.split('.').filter(|part| !part.is_empty()).collect();
    let text = parts
        .iter()
        .rev()
        .fold("{zzz: 1}".to_owned(), |inner, part| format!("{{{part}: {inner}}}"));
    let fault = serde_saphyr::from_str::<file::File>(&text).expect_err("nobody has it");
    let serde_saphyr::Error::SerdeUnknownField { expected, .. } = fault.without_snippet() else {
        if !section.is_empty() {
            keys.insert(section.to_owned());
        }
        return;
    };
    if expected.is_empty() {
        keys.insert(section.to_owned());
    }
    for name in expected {
        keys_of(&parts.iter().chain([name]).copied().collect::<Vec<_>>().join("."), keys);
    }
}

#[test]
fn the_reference_has_every_key() {
    let mut taken = BTreeSet::new();
    keys_of("", &mut taken);
    let shown: BTreeSet<_> = KEYS.iter().map(|key| key.path.to_owned()).collect();
    // This one is a word or a section.
    taken.insert("output.elasticsearch.when_refused".to_owned());
    assert_eq!(taken, shown);
}

#[test]
fn the_reference_page_is_not_stale() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config.md");
    if std::env::var_os("SLUICE_UPDATE").is_some() {
        fs::create_dir_all(path.parent().expect("a directory")).expect("it can be made");
        fs::write(&path, reference()).expect("it can be written");
    }
    let page = fs::read_to_string(&path).expect("docs/config.md is there");
    assert!(page == reference(), "run `SLUICE_UPDATE=1 cargo test -p sluice stale`");
}

#[test]
fn the_example_of_the_page_is_right() {
    let page = reference();
    let (_, rest) = page.split_once("```yaml\n").expect("it has an example");
    let (example, _) = rest.split_once("```").expect("it ends");
    let fault = parsed(example).expect_err("its secret is not on this machine").to_string();
    assert!(fault.contains("/run/secrets/elasticsearch"), "{fault}");
}

#[test]
fn the_configurations_of_deploy_are_right() {
    let of_compose = include_str!("../../../deploy/compose/sluice.yaml");
    let manifest = include_str!("../../../deploy/kubernetes/daemonset.yaml");
    let objects: Vec<serde_json::Value> =
        serde_saphyr::from_multiple(manifest).expect("the manifest is YAML");
    let of_kubernetes = objects
        .iter()
        .find_map(|object| object["data"]["sluice.yaml"].as_str())
        .expect("it has the configuration");
    for (text, prefix) in [(of_compose, "/mnt"), (of_kubernetes, "/host")] {
        let mut surroundings = surroundings();
        let variables = [("SLUICE_HOST_PREFIX", "/mnt"), ("NODE_NAME", "n1")];
        surroundings.variables.extend(variables.map(|(name, value)| (name.into(), value.into())));
        let config = parse(text, Path::new("f"), &Overrides::default(), &surroundings)
            .unwrap_or_else(|fault| panic!("{fault}\n{text}"));
        assert_eq!(config.docker.host_prefix, Path::new(prefix));
        assert!(matches!(config.output, Output::Elasticsearch(_)));
    }
}

#[test]
fn the_reference_names_every_pattern_that_is_denied() {
    let page = reference();
    for pattern in opens::DENY {
        assert!(page.contains(&format!("`{pattern}`")), "{pattern}");
    }
}
