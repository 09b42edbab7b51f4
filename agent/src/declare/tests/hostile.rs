//! Declarations are tenants' input: data, bounded, and each on its own.

use proptest::prelude::*;

use super::*;
use crate::core::limits::{LOGS_PER_CONTAINER_MAX, PROBLEMS_PER_CONTAINER_MAX};

#[test]
fn values_stay_data() {
    for evil in
        ["${ELASTICSEARCH_PASSWORD}", "#{`id`}", "`id`", "a\n</source>\n<match **>", "\u{fffd}"]
    {
        let path = format!("/logs/{evil}.log");
        let list = format!("k={}", evil.replace(',', ""));
        let log = one(&[
            ("aliyun_logs_a", &path),
            ("aliyun_logs_a_target", evil),
            ("aliyun_logs_a_tags", &list),
            ("aliyun_logs_a_format", "regexp"),
            ("aliyun_logs_a_format_pattern", evil),
        ]);
        let LogSource::Files(patterns) = &log.source else { panic!("no files") };
        assert_eq!(patterns[0].as_str(), path);
        assert_eq!(log.target.as_deref(), Some(evil));
        assert_eq!(tags(&log), [("k", evil)]);
        let expect = crate::core::FieldFormat::Regexp { pattern: evil.to_owned() };
        assert_eq!(log.fields.format, expect);
    }
}

#[test]
fn messages_are_bounded_and_escaped() {
    let mega = "\u{1b}\n\0".repeat(350_000);
    let key = format!("aliyun_logs_{mega}");
    let custom = format!("a.{mega}=x\n{mega}\n{mega}=x");
    let properties = [
        "format",
        "format_pattern",
        "format_keys",
        "format_time_key",
        "tags",
        "target",
        "multiline_pattern",
        "multiline_negate",
        "multiline_timeout",
    ];
    let keys: Vec<String> = properties.iter().map(|name| format!("aliyun_logs_a_{name}")).collect();
    let mut env = vec![
        ("aliyun_logs_a", "stdout"),
        ("aliyun_logs_b", mega.as_str()),
        ("aliyun_logs_c", "\u{1b}/\n"),
        (key.as_str(), "stdout"),
        ("aliyun_logs_custom_config", custom.as_str()),
    ];
    env.extend(keys.iter().map(|key| (key.as_str(), mega.as_str())));
    let declared = read(&env, &[]);
    assert_eq!(logs(&declared), ["a stdout"]);
    assert!(declared.problems.len() >= 10, "{}", declared.problems.len());
    for problem in &declared.problems {
        let text = problem.to_string();
        assert!(text.len() < 3_000, "{}", text.len());
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}

/// A hundred thousand keys take far longer than anyone waits if each looks at all others.
#[test]
fn a_container_full_of_declarations() {
    let mut env = Vec::new();
    for n in 0..20_000 {
        env.push((format!("aliyun_logs_log_{n:05}"), format!("/logs/{n}/*.log")));
        env.push((format!("aliyun_logs_log_{n:05}_format"), "json".to_owned()));
        env.push((format!("aliyun_logs_log_{n:05}_unknown"), "x".to_owned()));
        env.push((format!("aliyun_logs_log_{n:05}"), format!("/logs/{n}/*.log")));
        env.push((format!("aliyun_logs_orphan_{n:05}_tags"), "k=v".to_owned()));
    }
    let config: Vec<String> = (0..5_000).map(|n| format!("log_{n:05}.fields.n={n}")).collect();
    env.push(("aliyun_logs_custom_config".to_owned(), config.join("\n")));
    let container = Container { env, ..Container::default() };
    let declared = declared(&container, &Language::default());
    assert_eq!(declared.logs.len(), LOGS_PER_CONTAINER_MAX);
    assert_eq!(declared.logs[999].name, "log_00999");
    assert_eq!(tags(&declared.logs[999]), [("n", "999")]);
    assert_eq!(declared.problems.len(), PROBLEMS_PER_CONTAINER_MAX + 2);
    let beyond = &declared.problems[PROBLEMS_PER_CONTAINER_MAX + 1];
    assert!(beyond.what.starts_with("19000 logs beyond the first 1000"), "{beyond}");
}

/// Pieces of keys and values that mean something, so that chance finds what they mean together.
fn key() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a",
        "b",
        "a_b",
        "format",
        "pattern",
        "keys",
        "time",
        "key",
        "tags",
        "target",
        "multiline",
        "negate",
        "project",
        "custom",
        "config",
        "",
        "é",
    ]);
    let separator = prop::sample::select(vec!["_", ".", "-"]);
    let rest = prop::collection::vec((separator, part.clone()), 0..4);
    (part, rest).prop_map(|(first, rest)| {
        rest.into_iter().fold(first.to_owned(), |key, (separator, part)| key + separator + part)
    })
}

fn value() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "stdout",
        "/a/*.log",
        "/a,/b",
        "json",
        "csv",
        "regexp",
        "k=v,x",
        "true",
        "5s",
        "a.fields.k=v",
        "a.fields.k=v\nb.multiline.pattern=x",
        "/a/../b",
        "/",
        "",
    ]);
    prop_oneof![3 => known.prop_map(str::to_owned), 1 => ".{0,40}"]
}

proptest! {
    #[test]
    fn nothing_panics_and_names_are_one(
        env in prop::collection::vec((key(), value()), 0..12),
        labels in prop::collection::vec((key(), value()), 0..12),
    ) {
        let env = env.into_iter().map(|(key, value)| (format!("aliyun_logs_{key}"), value)).collect();
        let labels =
            labels.into_iter().map(|(key, value)| (format!("aliyun.logs.{key}"), value)).collect();
        let container = Container { env, labels, ..Container::default() };
        let language = Language::default();
        let first = declared(&container, &language);
        prop_assert_eq!(&first, &declared(&container, &language));
        prop_assert!(first.logs.is_sorted_by(|a, b| a.name < b.name));
        for problem in &first.problems {
            prop_assert!(!problem.what.is_empty() && !problem.mend.is_empty());
        }
    }

    /// Whatever is said of one log, the others are what they are without it.
    #[test]
    fn one_log_never_harms_another(
        good in prop::collection::vec((prop::sample::select(vec!["", "_format", "_tags", "_multiline_pattern"]), value()), 1..5),
        bad in prop::collection::vec((key(), value()), 0..12),
    ) {
        // No name of `bad` begins like this one, so no key of it is this log's.
        let own: Vec<(String, String)> = good
            .into_iter()
            .map(|(suffix, value)| (format!("aliyun_logs_good{suffix}"), value))
            .collect();
        let alone = Container { env: own.clone(), ..Container::default() };
        let others = bad.iter().map(|(key, value)| (format!("aliyun_logs_{key}"), value.clone()));
        let labels = bad.iter().map(|(key, value)| (format!("sluice.logs.{key}"), value.clone()));
        let env = own.into_iter().chain(others).collect();
        let beside = Container { env, labels: labels.collect(), ..Container::default() };
        let language = Language::default();
        let of = |container| {
            let logs = declared(container, &language).logs;
            logs.into_iter().filter(|log| log.name.starts_with("good")).collect::<Vec<_>>()
        };
        prop_assert_eq!(of(&alone), of(&beside));
    }
}
