mod examples;
mod hostile;
mod names;
mod paths;
mod properties;
mod values;

use super::*;

fn container(env: &[(&str, &str)], labels: &[(&str, &str)]) -> Container {
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    };
    Container { env: own(env), labels: own(labels).into_iter().collect(), ..Container::default() }
}

fn read(env: &[(&str, &str)], labels: &[(&str, &str)]) -> Declared {
    declared(&container(env, labels), &Language::default())
}

/// `name source` of each log.
fn logs(declared: &Declared) -> Vec<String> {
    declared
        .logs
        .iter()
        .map(|log| match &log.source {
            LogSource::Stdout => format!("{} stdout", log.name),
            LogSource::Files(patterns) => {
                let paths: Vec<&str> = patterns.iter().map(PathPattern::as_str).collect();
                format!("{} {}", log.name, paths.join(" "))
            }
        })
        .collect()
}

/// The only log, and that nothing is wrong with it.
fn one(env: &[(&str, &str)]) -> Declaration {
    let mut declared = read(env, &[]);
    assert_eq!(declared.problems, [], "{env:?}");
    assert_eq!(declared.logs.len(), 1, "{env:?}");
    declared.logs.remove(0)
}

/// The only log, and the only problem with it.
fn one_with_problem(env: &[(&str, &str)]) -> (Declaration, Problem) {
    let mut declared = read(env, &[]);
    assert_eq!((declared.logs.len(), declared.problems.len()), (1, 1), "{env:?} {declared:?}");
    (declared.logs.remove(0), declared.problems.remove(0))
}

fn tags(log: &Declaration) -> Vec<(&str, &str)> {
    log.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn stdout_of_a_container() {
    let check = |env: &[(&str, &str)], labels: &[(&str, &str)], expect: &Stdout| {
        assert_eq!(stdout(&container(env, labels)), *expect, "{env:?} {labels:?}");
    };
    let named = |name: &str| Stdout::Declared(name.to_owned());
    check(&[], &[], &Stdout::Undeclared);
    check(&[("aliyun_logs_catalina", "stdout")], &[], &named("catalina"));
    check(&[("sluice_logs_web", "stdout")], &[], &named("web"));
    check(&[], &[("aliyun.logs.web", "stdout")], &named("web"));
    check(&[("aliyun_logs_access", "/logs/*.log")], &[], &Stdout::Undeclared);
    check(
        &[("aliyun_logs_web", "stdout"), ("aliyun_logs_web_target", "shop")],
        &[],
        &named("shop"),
    );
    check(&[("SLUICE_COLLECT", "false")], &[], &Stdout::OptedOut);
    check(&[("sluice_logs_a", "stdout")], &[("sluice.collect", "false")], &Stdout::OptedOut);
}

#[test]
fn prefixes_of_a_list() {
    let check = |list: &str, expect: &[&str]| {
        assert_eq!(Language::from_list(list), Language::new(expect.iter().copied()), "{list:?}");
    };
    check("aliyun,custom", &["aliyun", "custom"]);
    check("aliyun, custom , ", &["aliyun", "custom"]);
    check("custom", &["custom"]);
    check(" ,", &["sluice", "aliyun"]);
    let of = |list: &str, env: &[(&str, &str)]| {
        logs(&declared(&container(env, &[]), &Language::from_list(list)))
    };
    assert_eq!(of("custom", &[("aliyun_logs_a", "stdout")]), [""; 0]);
    assert_eq!(of("custom", &[("custom_logs_a", "stdout")]), ["a stdout"]);
    assert_eq!(of("custom", &[("Custom_logs_a", "stdout")]), [""; 0], "the case counts");
    assert_eq!(of("x,x_logs_y", &[("x_logs_y_logs_a", "stdout")]), ["a stdout"]);
}
