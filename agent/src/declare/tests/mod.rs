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
    let check = |env: &[(&str, &str)], labels: &[(&str, &str)], expect: Option<&str>| {
        let declared = declared(&container(env, labels), &Language::default());
        let log = declared.logs.into_iter().find(|log| log.source == LogSource::Stdout);
        let target = log.map(|log| log.target.unwrap_or(log.name));
        assert_eq!(target.as_deref(), expect, "{env:?} {labels:?}");
    };
    check(&[], &[], None);
    check(&[("aliyun_logs_catalina", "stdout")], &[], Some("catalina"));
    check(&[("sluice_logs_web", "stdout")], &[], Some("web"));
    check(&[], &[("aliyun.logs.web", "stdout")], Some("web"));
    check(&[("aliyun_logs_access", "/logs/*.log")], &[], None);
    check(&[("aliyun_logs_web", "stdout"), ("aliyun_logs_web_target", "shop")], &[], Some("shop"));
}

#[test]
fn who_opts_out_declares_nothing() {
    let check = |env: &[(&str, &str)], labels: &[(&str, &str)], expect: bool| {
        let declared = declared(&container(env, labels), &Language::default());
        assert_eq!(declared.opted_out, expect, "{env:?} {labels:?}");
        assert_eq!(declared.logs.is_empty(), expect);
    };
    check(&[("sluice_logs_a", "stdout"), ("SLUICE_COLLECT", "false")], &[], true);
    check(&[("sluice_logs_a", "stdout")], &[("sluice.collect", "false")], true);
    check(&[("sluice_logs_a", "stdout")], &[("sluice.collect", "true")], false);
}

#[test]
fn prefixes_of_a_list() {
    let check = |list: &str, expect: &[&str]| {
        assert_eq!(
            Language::new(list.split(',')),
            Language::new(expect.iter().copied()),
            "{list:?}"
        );
    };
    check("aliyun,custom", &["aliyun", "custom"]);
    check("aliyun, custom , ", &["aliyun", "custom"]);
    check("custom", &["custom"]);
    check(" ,", &["sluice", "aliyun"]);
    let of = |list: &str, env: &[(&str, &str)]| {
        logs(&declared(&container(env, &[]), &Language::new(list.split(','))))
    };
    assert_eq!(of("custom", &[("aliyun_logs_a", "stdout")]), [""; 0]);
    assert_eq!(of("custom", &[("custom_logs_a", "stdout")]), ["a stdout"]);
    assert_eq!(of("custom", &[("Custom_logs_a", "stdout")]), [""; 0], "the case counts");
    assert_eq!(of("x,x_logs_y", &[("x_logs_y_logs_a", "stdout")]), ["a stdout"]);
}

/// The page for users names everything that there is.
#[test]
fn the_page_is_complete() {
    let page = include_str!("../../../../docs/declarations.md");
    let missing: Vec<String> = keys::Property::ALL
        .iter()
        .flat_map(|(suffix, _)| {
            let label = suffix
                .replace("time.", "time_")
                .replace("flush.", "flush_")
                .replace("max.", "max_");
            [format!("| `_{}` |", suffix.replace('.', "_")), format!("| `.{label}` |")]
        })
        .chain(super::properties::FORMATS.split(", ").map(|format| format!("| `{format}`")))
        .filter(|word| !page.contains(word.as_str()))
        .collect();
    assert_eq!(missing, [""; 0]);
}
