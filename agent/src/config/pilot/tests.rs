mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::config::{
    Config, ConfigError, Credentials, OutputKind, Overrides, SecretSource, Shape, Stdout, parse,
};
use crate::encode::Zone;

/// A collector's container: its variables, mounts and files.
struct Node {
    root: TempDir,
    variables: BTreeMap<String, String>,
    entry: Entry,
}

impl Node {
    fn new(variables: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let root = TempDir::new().expect("a directory");
        let node =
            Self { root, variables: variables.iter().map(own).collect(), entry: Entry::Sluice };
        node.directory("/host").mounts(&["/", "/proc", "/etc/localtime"])
    }

    fn mounts(self, paths: &[&str]) -> Self {
        let line = |path: &&str| format!("36 35 98:0 / {path} rw,noatime - ext4 /dev/sda1 rw\n");
        self.file("/proc/self/mountinfo", &paths.iter().map(line).collect::<String>())
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.root.path().join(&path[1..]);
        fs::create_dir_all(path.parent().expect("not the root")).expect("it can be made");
        fs::write(path, text).expect("it can be written");
        self
    }

    fn directory(self, path: &str) -> Self {
        fs::create_dir_all(self.root.path().join(&path[1..])).expect("it can be made");
        self
    }

    fn configured(&self, file: &str, flags: &Overrides) -> Result<Config, ConfigError> {
        let surroundings = Surroundings {
            variables: self.variables.clone(),
            cores: 4,
            entry: self.entry,
            root: self.root.path().to_owned(),
        };
        parse(file, Path::new("sluice.yaml"), flags, &surroundings)
    }

    fn config(&self) -> Result<Config, ConfigError> {
        self.configured("", &Overrides::default())
    }

    #[track_caller]
    fn refused(&self, message: &str) {
        let fault = self.config().expect_err("it is refused");
        assert_eq!(fault.to_string(), message);
    }
}

/// The seed's manifest, with more variables.
fn fluentd(more: &[(&str, &str)]) -> Node {
    let seed = [
        ("LOGGING_OUTPUT", "elasticsearch"),
        ("ELASTICSEARCH_HOST", "es"),
        ("ELASTICSEARCH_PORT", "9200"),
        ("NODE_NAME", "n1"),
    ];
    Node::new(&[&seed[..], more].concat()).mounts(&["/", "/host", "/pilot/pos"])
}

fn output(config: &Config) -> &crate::config::Elasticsearch {
    match &config.output {
        crate::config::Output::Elasticsearch(settings) => settings,
        crate::config::Output::Console => panic!("the output is elasticsearch"),
    }
}

fn warnings(config: &Config) -> Vec<&str> {
    let warnings = config.remarks.iter().filter(|it| it.weight == Weight::Warning);
    warnings.map(|it| it.text.as_str()).collect()
}

#[test]
fn the_manifest_of_log_pilot_is_a_configuration() {
    let config = fluentd(&[]).config().expect("it is right");
    assert_eq!(config.profile, Some(Profile::Fluentd));
    assert_eq!(config.remarks, []);
    assert_eq!(config.state_dir, Path::new("/pilot/pos"));
    assert_eq!(config.collect.stdout, Stdout::Declared);
    assert_eq!(config.shape, Shape::Pilot);
    assert_eq!(config.target_zone, Zone::local());
    assert_eq!(config.docker.host_prefix, Path::new("/host"));
    assert_eq!(config.docker.socket.as_deref(), Some(Path::new("/var/run/docker.sock")));
    assert_eq!(config.declare.prefixes, ["sluice", "aliyun"]);
    assert_eq!(output(&config).hosts[0].as_str(), "http://es:9200/");
    assert_eq!(output(&config).mapping_type, "fluentd");
    assert_eq!(output(&config).credentials, Credentials::None);
    assert_eq!(config.node, None, "`auto` takes NODE_NAME");

    let node = Node::new(&[
        ("PILOT_TYPE", "filebeat"),
        ("LOGGING_OUTPUT", "elasticsearch"),
        ("ELASTICSEARCH_HOSTS", "es"),
    ]);
    let config = node.mounts(&["/var/lib/filebeat"]).config().expect("it is right");
    assert_eq!(config.profile, Some(Profile::Filebeat));
    assert_eq!(config.state_dir, Path::new("/var/lib/filebeat"));
    assert_eq!(config.target_zone, Zone::Utc);
    assert_eq!(output(&config).mapping_type, "doc");
}

#[test]
fn the_profile_is_found_by_what_is_there() {
    use Profile::*;
    let check = |variables: &[(&str, &str)], mounts: &[&str], file: &str, expected| {
        let node = Node::new(variables).mounts(mounts);
        let config = node.configured(file, &Overrides::default()).expect("it is right");
        assert_eq!(config.profile, expected, "{variables:?} {mounts:?} {file:?}");
    };
    check(&[], &["/"], "", None);
    check(&[("LOGGING_OUTPUT", "")], &["/"], "", None);
    check(&[("LOGGING_OUTPUT", "console")], &["/"], "", Some(Fluentd));
    check(&[("FLUENTD_OUTPUT", "console")], &["/"], "", Some(Fluentd));
    check(&[("FILEBEAT_OUTPUT", "console")], &["/"], "", Some(Filebeat));
    check(&[("PILOT_TYPE", "filebeat")], &["/pilot/pos"], "", Some(Filebeat));
    check(&[("LOGGING_OUTPUT", "console")], &["/var/lib/filebeat"], "", Some(Filebeat));
    check(&[], &["/pilot/pos"], "", Some(Fluentd));
    check(&[], &["/var/lib/filebeat"], "", Some(Filebeat));
    check(&[], &["/var/lib/filebeat/registry"], "", None);
    // A host on which a Filebeat of its own runs has its directory, and no mount there.
    check(&[], &["/pilot/pos"], "workers: 1", None);
    check(&[("PILOT_TYPE", "fluentd")], &["/"], "workers: 1", Some(Fluentd));

    let mut node = Node::new(&[]);
    node.entry = Entry::Entrypoint;
    assert_eq!(node.config().expect("it is right").profile, Some(Fluentd));
    Node::new(&[("PILOT_TYPE", "vector")])
        .refused("PILOT_TYPE: `vector` is no profile; expected fluentd or filebeat");
}

#[test]
fn the_state_is_where_it_lasts() {
    let check = |mounts: &[&str], expected: &str| {
        let config = fluentd(&[]).mounts(mounts).config().expect("it is right");
        assert_eq!(config.state_dir, Path::new(expected), "{mounts:?}");
    };
    check(&["/"], "/var/lib/sluice");
    check(&["/pilot/pos"], "/pilot/pos");
    check(&["/pilot/pos", "/var/lib/sluice"], "/var/lib/sluice");
    let flags = Overrides { state_dir: Some("/s".into()), ..Overrides::default() };
    let config = fluentd(&[]).configured("", &flags).expect("it is right");
    assert_eq!(config.state_dir, Path::new("/s"));
}

#[test]
fn the_output_is_chosen_as_in_the_image() {
    use OutputKind::*;
    let check = |variables: &[(&str, &str)], expected: OutputKind, loud: bool| {
        let hosts = [("ELASTICSEARCH_HOSTS", "es")];
        let config = Node::new(&[&hosts[..], variables].concat()).config().expect("it is right");
        let is_console = config.output == crate::config::Output::Console;
        assert_eq!(is_console, expected == Console, "{variables:?}");
        assert_eq!(!warnings(&config).is_empty(), loud, "{variables:?}: {:?}", config.remarks);
    };
    let es = "elasticsearch";
    check(&[("LOGGING_OUTPUT", es)], Elasticsearch, false);
    check(&[("LOGGING_OUTPUT", "kafka"), ("FLUENTD_OUTPUT", es)], Elasticsearch, false);
    let fluentd = ("PILOT_TYPE", "fluentd");
    check(&[fluentd, ("LOGGING_OUTPUT", "stdout"), ("FILEBEAT_OUTPUT", es)], Console, false);
    check(&[("LOGGING_OUTPUT", "stdout"), ("FILEBEAT_OUTPUT", es)], Elasticsearch, false);
    let filebeat = ("PILOT_TYPE", "filebeat");
    check(&[filebeat, ("LOGGING_OUTPUT", "kafka"), ("FILEBEAT_OUTPUT", es)], Elasticsearch, false);
    check(&[filebeat, ("FLUENTD_OUTPUT", es)], Elasticsearch, false);
    check(&[("LOGGING_OUTPUT", "console")], Console, false);
    check(&[("LOGGING_OUTPUT", "elastisearch")], Console, true);
    check(&[("LOGGING_OUTPUT", "awsog")], Console, true);
    check(&[filebeat], Console, true);

    let config = Node::new(&[("LOGGING_OUTPUT", "elastic")]).config().expect("it is right");
    assert_eq!(
        warnings(&config),
        ["LOGGING_OUTPUT=elastic is no output of log-pilot or sluice: DOCUMENTS GO TO STANDARD \
          OUTPUT ONLY, as in log-pilot; did you mean elasticsearch?"]
    );
}

#[test]
fn what_is_missing_is_said_as_log_pilot_says_it() {
    let check = |variables: &[(&str, &str)], name: &str| {
        Node::new(variables)
            .refused(&format!("{name} required; set it in the agent's environment"));
    };
    let output = |name| ("LOGGING_OUTPUT", name);
    check(&[output("elasticsearch")], "ELASTICSEARCH_HOST");
    check(&[output("elasticsearch"), ("ELASTICSEARCH_HOST", "es")], "ELASTICSEARCH_PORT");
    check(&[output("elasticsearch"), ("ELASTICSEARCH_HOSTS", ",")], "ELASTICSEARCH_HOSTS");
    let hosts = ("ELASTICSEARCH_HOSTS", "es");
    let es = output("elasticsearch");
    check(&[es, hosts, ("ELASTICSEARCH_USER", "u")], "ELASTICSEARCH_PASSWORD");
    check(&[es, hosts, ("ELASTICSEARCH_PASSWORD", "p")], "ELASTICSEARCH_USER");
    check(&[output("kafka")], "KAFKA_BROKERS");
    check(&[output("file")], "FILE_PATH");
    check(&[output("graylog"), ("GRAYLOG_HOST", "g")], "GRAYLOG_PORT");
    check(&[output("syslog")], "SYSLOG_HOST");
    check(&[output("logstash"), ("LOGSTASH_HOST", "l")], "LOGSTASH_PORT");
    check(&[output("redis")], "REDIS_HOST");
    check(&[output("aliyun_sls")], "ALIYUNSLS_PROJECT");
    let sls = [("ALIYUNSLS_PROJECT", "p"), ("ALIYUNSLS_REGION_ENDPOINT", "e")];
    check(&[&sls[..], &[output("aliyun_sls")]].concat(), "ALIYUNSLS_ACCESS_KEY_ID");
}

#[test]
fn an_output_that_is_not_there_is_refused_by_name() {
    let check = |name: &str, variables: &[(&str, &str)]| {
        let chosen = [("LOGGING_OUTPUT", name)];
        Node::new(&[&chosen[..], variables].concat()).file(SLS_SECRET, "id:secret").refused(
            &format!(
                "LOGGING_OUTPUT={name}: sluice has no output `{name}`, so nothing was started; \
                 keep log-pilot for it, or set LOGGING_OUTPUT=elasticsearch and \
                 ELASTICSEARCH_HOSTS"
            ),
        );
    };
    check("kafka", &[("KAFKA_BROKERS", "k1:9092,k2:9092"), ("KAFKA_REQUIRED_ACKS", "-1")]);
    check("kafka", &[("KAFKA_BROKERS", "k1"), ("KAFKA_REQUIRE_ACKS", "1")]);
    check("file", &[("FILE_PATH", "/tmp"), ("FILE_PERMISSIONS", "0600")]);
    check("graylog", &[("GRAYLOG_HOST", "g"), ("GRAYLOG_PORT", "12201")]);
    check("syslog", &[("SYSLOG_HOST", "s"), ("SYSLOG_PORT", "514")]);
    check("logstash", &[("LOGSTASH_HOST", "l"), ("LOGSTASH_PORT", "5044")]);
    check("redis", &[("REDIS_HOST", "r"), ("REDIS_PORT", "6379"), ("REDIS_TIMEOUT", "5")]);
    check("aliyun_sls", &[("ALIYUNSLS_PROJECT", "p"), ("ALIYUNSLS_REGION_ENDPOINT", "e")]);
    check("null", &[]);
    check("flowcounter", &[]);
    check("count", &[]);
    // Its variables are looked at before it is refused.
    Node::new(&[("LOGGING_OUTPUT", "kafka"), ("KAFKA_BROKERS", "k"), ("KAFKA_WORKER", "two")])
        .refused("KAFKA_WORKER: `two` does not fit; expected a whole number");
}

#[test]
fn hosts_are_understood_as_by_both_images() {
    let check = |variables: &[(&str, &str)], expected: &[&str]| {
        let chosen = [("LOGGING_OUTPUT", "elasticsearch")];
        let config = Node::new(&[&chosen[..], variables].concat()).config().expect("it is right");
        let hosts: Vec<_> = output(&config).hosts.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, expected, "{variables:?}");
    };
    let list = |text| ("ELASTICSEARCH_HOSTS", text);
    let pair = [("ELASTICSEARCH_HOST", "es"), ("ELASTICSEARCH_PORT", "9201")];
    check(&pair, &["http://es:9201/"]);
    check(&[&pair[..], &[list("a:1, b")]].concat(), &["http://a:1/", "http://b:9201/"]);
    check(&[list("a:1,\"b:2\"")], &["http://a:1/", "http://b:2/"]);
    let (scheme, path) = (("ELASTICSEARCH_SCHEME", "https"), ("ELASTICSEARCH_PATH", "/es/"));
    check(
        &[list("a,http://b:1,https://c/own/"), scheme, path],
        &["https://a:9200/es", "http://b:1/es", "https://c/own"],
    );
    check(&[&pair[..], &[scheme, path]].concat(), &["https://es:9201/es"]);
}

#[test]
fn the_user_is_taken_from_file_url_and_variable_in_this_order() {
    let pair = [("ELASTICSEARCH_USER", "env"), ("ELASTICSEARCH_PASSWORD", "pw${X}#{y}")];
    let check = |hosts: &str, secret: Option<&str>, user: &str, password: &str| {
        let mut node = fluentd(&[&pair[..], &[("ELASTICSEARCH_HOSTS", hosts)]].concat());
        if let Some(text) = secret {
            node = node.file("/run/secrets/es_credential", text);
        }
        let config = node.config().expect("it is right");
        let password = SecretSource::Given(password.to_owned().into());
        let expected = Credentials::Basic { user: user.to_owned(), password };
        assert_eq!(output(&config).credentials, expected, "{hosts} {secret:?}");
    };
    check("es", None, "env", "pw${X}#{y}");
    check("es", Some("file:a:b:c\n"), "file", "a:b:c");
    check("http://u:p@es", Some("file:a"), "u", "p");
    check("http://u:p%40q%3A@es,http://u:p%40q%3A@es2", None, "u", "p@q:");
    check("https://%{j+hn}:%{p@ss}@es", None, "j+hn", "p@ss");

    fluentd(&[("ELASTICSEARCH_HOSTS", "http://a:b@x,http://c:d@y")]).refused(
        "ELASTICSEARCH_HOSTS: its URLs hold different users or passwords; sluice has one for all \
         hosts, so give it in ELASTICSEARCH_USER and ELASTICSEARCH_PASSWORD",
    );
    fluentd(&[]).file("/run/secrets/es_credential", "nobody\n").refused(
        "/run/secrets/es_credential: it holds no user with a password; expected one line, \
         user:password",
    );
    let fault = fluentd(&[("ELASTICSEARCH_HOSTS", "http://u:hush@es:port")]).config();
    assert!(!fault.expect_err("no such port").to_string().contains("hush"));
}

#[test]
fn values_that_do_not_fit_are_refused_by_variable() {
    let check = |name: &str, value: &str, expected: &str| {
        fluentd(&[(name, value)])
            .refused(&format!("{name}: `{value}` does not fit; expected {expected}"));
    };
    check("FLUENTD_FLUSH_INTERVAL", "soon", "a time like 5s, 1m, 0.5s or a count of seconds");
    check("FLUENTD_BUFFER_CHUNK_LIMIT", "big", "a size like 8m, 512k or a count of bytes");
    check("ELASTICSEARCH_PORT", "http", "a port, 1 to 65535");
    check("ELASTICSEARCH_SCHEME", "ftp", "http or https");
}

#[test]
fn the_configuration_wins_key_by_key() {
    let node = fluentd(&[
        ("ELASTICSEARCH_USER", "env"),
        ("ELASTICSEARCH_PASSWORD", "pw"),
        ("FLUENTD_ENABLE_MONITOR", "true"),
        ("PILOT_LOG_PREFIX", "acme"),
    ]);
    let file = "shape: ecs\ncollect: {stdout: all}\ntarget_zone: UTC\ndeclare: {prefixes: own}\n\
                http: {listen: '127.0.0.1:1'}\n\
                output: {elasticsearch: {hosts: [other], type: logs}}\n";
    let config = node.configured(file, &Overrides::default()).expect("it is right");
    assert_eq!((config.shape, config.collect.stdout), (Shape::Ecs, Stdout::All));
    assert_eq!(config.target_zone, Zone::Utc);
    assert_eq!(config.declare.prefixes, ["own"]);
    assert_eq!(output(&config).hosts[0].as_str(), "http://other:9200/");
    assert_eq!(output(&config).mapping_type, "logs");
    assert!(
        matches!(&output(&config).credentials, Credentials::Basic { user, .. } if user == "env")
    );
    // What the file leaves out is log-pilot's still.
    assert_eq!(config.docker.host_prefix, Path::new("/host"));
    assert_eq!(config.state_dir, Path::new("/pilot/pos"));
    assert_eq!(
        warnings(&config),
        ["FLUENTD_ENABLE_MONITOR=true has no effect: metrics are at 127.0.0.1:1"]
    );

    let key = "output: {elasticsearch: {api_key: k}}";
    let config = node.configured(key, &Overrides::default()).expect("it is right");
    assert!(matches!(output(&config).credentials, Credentials::ApiKey(_)));
    assert_eq!(output(&config).hosts[0].as_str(), "http://es:9200/");

    let kafka = fluentd(&[("LOGGING_OUTPUT", "kafka")]);
    let flags = Overrides { hosts: vec!["flag".into()], ..Overrides::default() };
    let config = kafka.configured("", &flags).expect("the flag names the output");
    assert_eq!(output(&config).hosts[0].as_str(), "http://flag:9200/");
    assert_eq!(
        warnings(&config),
        ["LOGGING_OUTPUT=kafka has no effect: the configuration or a flag names the output"]
    );
}

#[test]
fn mounted_templates_are_refused() {
    let check = |path: &str, is_template: bool| {
        let node = fluentd(&[]).file(path, "x");
        if !is_template {
            node.config().expect("it is no template");
            return;
        }
        node.refused(&format!(
            "{path} cannot be honoured: templates and settings of fluentd or Filebeat have no \
             meaning here; move what they change into the configuration (docs/log-pilot.md), and \
             take the mounts away or set SLUICE_IGNORE_TEMPLATES=true"
        ));
        let node = node.with("SLUICE_IGNORE_TEMPLATES", "true");
        let config = node.config().expect("it goes on");
        let text = format!("{path} has no effect: SLUICE_IGNORE_TEMPLATES is set");
        assert_eq!(warnings(&config), [text]);
    };
    check("/pilot/fluentd.tpl", true);
    check("/pilot/filebeat.tpl", true);
    check("/pilot/config.fluentd", true);
    check("/pilot/config.filebeat", true);
    check("/etc/filebeat/filebeat.yml", true);
    check("/etc/fluentd/fluentd.conf", true);
    check("/etc/fluentd/conf.d", true);
    check("/etc/fluentd/config/kafka_topics", false);
    check("/etc/filebeat/config/kafka_topics", false);
    check("/pilot/pos/abc.access.pos", false);
}

#[test]
fn a_missing_host_root_is_said() {
    let node = fluentd(&[]);
    fs::remove_dir(node.root.path().join("host")).expect("it is there");
    let config = node.config().expect("it is right");
    assert_eq!(config.docker.host_prefix, Path::new("/"));
    assert!(warnings(&config)[0].starts_with("the host's root is not mounted at /host"));
}

#[test]
fn the_manifest_of_deploy_is_one_of_log_pilot() {
    let manifest = include_str!("../../../../deploy/kubernetes/log-pilot.yaml");
    let object: serde_json::Value = serde_saphyr::from_str(manifest).expect("it is YAML");
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    let mut node = Node::new(&[]);
    for variable in container["env"].as_array().expect("it has variables") {
        // The node's name comes from elsewhere.
        let value = variable["value"].as_str().unwrap_or("n1");
        node = node.with(variable["name"].as_str().expect("a name"), value);
    }
    let mounts = container["volumeMounts"].as_array().expect("it has mounts");
    let mounts: Vec<_> =
        mounts.iter().map(|mount| mount["mountPath"].as_str().expect("a path")).collect();
    let config = node.mounts(&mounts).config().expect("it is right");
    assert_eq!(config.profile, Some(Profile::Fluentd));
    assert_eq!(config.state_dir, Path::new("/pilot/pos"));
    assert_eq!(output(&config).hosts[0].as_str(), "http://elasticsearch.logging:9200/");
    assert_eq!(config.remarks, []);
}

impl Node {
    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }
}
