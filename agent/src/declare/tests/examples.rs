//! The declarations of log-pilot's own examples and unit tests, each with what log-pilot makes of
//! them. The examples of its outputs (Kafka, SLS, the Helm chart) declare nothing; what they collect
//! is the Tomcat below.

use super::*;
use crate::core::FieldFormat;

struct Expect {
    log: &'static str,
    format: FieldFormat,
    tags: &'static [(&'static str, &'static str)],
}

const fn raw(log: &'static str, tags: &'static [(&'static str, &'static str)]) -> Expect {
    Expect { log, format: FieldFormat::Raw, tags }
}

fn check(declared: &Declared, expect: &[Expect]) {
    assert_eq!(declared.problems, []);
    assert_eq!(logs(declared), expect.iter().map(|expect| expect.log).collect::<Vec<_>>());
    for (log, expect) in declared.logs.iter().zip(expect) {
        assert_eq!((&log.fields.format, tags(log)), (&expect.format, expect.tags.to_vec()));
        assert_eq!((&log.target, &log.join), (&None, &None));
    }
}

/// `examples/tomcat.yml` and the pod of most guides.
#[test]
fn tomcat_in_kubernetes() {
    let env = [
        ("aliyun_logs_catalina", "stdout"),
        ("aliyun_logs_access", "/usr/local/tomcat/logs/catalina.*.log"),
    ];
    let labels = [
        ("io.kubernetes.container.name", "tomcat"),
        ("io.kubernetes.pod.name", "tomcat"),
        ("io.kubernetes.pod.namespace", "default"),
    ];
    check(
        &read(&env, &labels),
        &[raw("access /usr/local/tomcat/logs/catalina.*.log", &[]), raw("catalina stdout", &[])],
    );
}

/// `examples/app.yml`: fluentd ignores the format on stdout, so its users get a text.
#[test]
fn json_on_stdout() {
    let env = [("aliyun_logs_mylog", "stdout"), ("aliyun_logs_mylog_format", "json")];
    let expect = Expect { log: "mylog stdout", format: FieldFormat::Json, tags: &[] };
    check(&read(&env, &[]), &[expect]);
}

/// `quickstart/tomcat.yml`, whose path has a blank behind it.
#[test]
fn tomcat_in_compose() {
    let labels = [
        ("aliyun.logs.catalina", "stdout"),
        ("aliyun.logs.catalina.tags", "app=tomcat,stage=test"),
        ("aliyun.logs.access", "/usr/local/tomcat/logs/localhost_access_log.*.txt "),
        ("aliyun.logs.access.tags", "app=tomcat,stage=test"),
        ("com.aliyun.access.cluster", "c1"),
        ("com.aliyun.access.owner", "owner"),
        ("com.aliyun.access.stage", "prod"),
    ];
    let tags = &[("app", "tomcat"), ("stage", "test")];
    check(
        &read(&[], &labels),
        &[
            raw("access /usr/local/tomcat/logs/localhost_access_log.*.txt", tags),
            raw("catalina stdout", tags),
        ],
    );
}

/// `quickstart/busybox.yml` and `quickstart/filebeat/busybox.yml`.
#[test]
fn busybox_in_compose() {
    let labels =
        [("aliyun.logs.busybox", "stdout"), ("aliyun.logs.busybox.tags", "app=busybox,stage=test")];
    let tags = &[("app", "busybox"), ("stage", "test")];
    check(&read(&[], &labels), &[raw("busybox stdout", tags)]);
}

/// `quickstart/filebeat/tomcat.yml` below `quickstart/filebeat/es.yml`, which has
/// `PILOT_LOG_PREFIX=aliyun,custom`.
#[test]
fn two_prefixes_in_compose() {
    let labels = [
        ("aliyun.logs.catalina", "stdout"),
        ("aliyun.logs.catalina.tags", "app=tomcat,stage=test"),
        ("custom.logs.access", "/usr/local/tomcat/logs/catalina.*.log"),
        ("custom.logs.access.tags", "app=tomcat,stage=test,index=tomcat,topic=tomcat"),
    ];
    let container = container(&[], &labels);
    let access = &[("app", "tomcat"), ("index", "tomcat"), ("stage", "test"), ("topic", "tomcat")];
    check(
        &declared(&container, &Language::new(["aliyun", "custom"])),
        &[
            raw("access /usr/local/tomcat/logs/catalina.*.log", access),
            raw("catalina stdout", &[("app", "tomcat"), ("stage", "test")]),
        ],
    );
    let without = declared(&container, &Language::new(["aliyun"]));
    assert_eq!(logs(&without), ["catalina stdout"]);
}

/// `pilot/pilot_test.go`.
#[test]
fn unit_tests_of_log_pilot() {
    assert_eq!(read(&[], &[]), Declared::default());
    let tags = &[("name", "hello"), ("stage", "test")];
    let labels = [
        ("aliyun.logs.hello", "/var/log/hello.log"),
        ("aliyun.logs.hello.format", "json"),
        ("aliyun.logs.hello.tags", "name=hello,stage=test"),
        ("aliyun.logs.hello.format.time_format", "%Y-%m-%d"),
    ];
    let declared = read(&[], &labels);
    let json = Expect { log: "hello /var/log/hello.log", format: FieldFormat::Json, tags };
    check(&declared, &[json]);
    assert_eq!(declared.logs[0].fields.time_format.as_deref(), Some("%Y-%m-%d"));
    let labels = [
        ("aliyun.logs.hello", "/var/log/hello.log"),
        ("aliyun.logs.hello.format", "regexp"),
        ("aliyun.logs.hello.tags", "name=hello,stage=test"),
        ("aliyun.logs.hello.format.pattern", "(?=name:hello).*"),
    ];
    let format = FieldFormat::Regexp { pattern: "(?=name:hello).*".to_owned() };
    check(&read(&[], &labels), &[Expect { log: "hello /var/log/hello.log", format, tags }]);
}

/// Seen in the field: names that log-pilot cannot have as variables.
#[test]
fn underscores_in_the_field() {
    let env = [
        ("aliyun_logs_catalina_stdout", "stdout"),
        ("aliyun_logs_access_log", "/usr/local/tomcat/logs/*"),
    ];
    check(
        &read(&env, &[]),
        &[raw("access_log /usr/local/tomcat/logs/*", &[]), raw("catalina_stdout stdout", &[])],
    );
}
