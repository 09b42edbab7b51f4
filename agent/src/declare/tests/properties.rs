//! Formats, joining, tags and targets.

use super::*;
use crate::core::{FieldFormat, FieldRules, JoinRules, JoinSide};

/// The log `a`, from stdout and from a file: it makes no difference.
fn both(env: &[(&str, &str)], check: impl Fn(Declaration, Vec<Problem>)) {
    for source in ["stdout", "/a/*.log"] {
        let keys: Vec<String> = env.iter().map(|(key, _)| format!("aliyun_logs_a{key}")).collect();
        let mut all = vec![("aliyun_logs_a", source)];
        all.extend(keys.iter().zip(env).map(|(key, (_, value))| (key.as_str(), *value)));
        let mut declared = read(&all, &[]);
        assert_eq!(declared.logs.len(), 1, "{all:?}");
        check(declared.logs.remove(0), declared.problems);
    }
}

#[test]
fn formats() {
    let check = |env: &[(&str, &str)], expect: &FieldFormat| {
        both(env, |log, problems| {
            assert_eq!((&log.fields.format, problems.as_slice()), (expect, &[][..]), "{env:?}");
        });
    };
    let text = str::to_owned;
    check(&[], &FieldFormat::Raw);
    check(&[("_format", "none")], &FieldFormat::Raw);
    check(&[("_format", "nonex")], &FieldFormat::Raw);
    check(&[("_format", "json")], &FieldFormat::Json);
    check(&[("_format", " json ")], &FieldFormat::Json);
    check(&[("_format", "nginx")], &FieldFormat::Nginx);
    check(&[("_format", "apache2")], &FieldFormat::Apache2);
    check(&[("_format", "apache_error")], &FieldFormat::ApacheError);
    let csv = FieldFormat::Csv { keys: vec![text("time"), text("user id"), text("x")] };
    check(&[("_format", "csv"), ("_format_keys", "time, user id ,x")], &csv);
    for pattern in ["(?<a>[^ ]*) /x/", "/(?<a>[^ ]*) /x//", " /(?<a>[^ ]*) /x// "] {
        let regexp = FieldFormat::Regexp { pattern: text("(?<a>[^ ]*) /x/") };
        check(&[("_format", "regexp"), ("_format_pattern", pattern)], &regexp);
        check(&[("_format", "regexp"), (".format.pattern", pattern)], &regexp);
    }
}

#[test]
fn a_format_that_cannot_be_leaves_lines_as_they_are() {
    let check = |env: &[(&str, &str)], problem: &str| {
        both(env, |log, problems| {
            assert_eq!(log.fields, FieldRules::default(), "{env:?}");
            assert_eq!(problems.len(), 1, "{env:?} {problems:?}");
            assert_eq!(problems[0].name.as_deref(), Some("a"));
            assert!(problems[0].what.contains(problem), "{}", problems[0]);
        });
    };
    check(&[("_format", "csv")], "no names of columns");
    check(&[("_format", "csv"), ("_format_keys", "a,,b")], "a column has no name");
    check(&[("_format", "regexp")], "no pattern");
    check(&[("_format", "regexp"), ("_format_pattern", "")], "no pattern");
    check(&[("_format", "xml")], "no format 'xml'");
    check(&[("_format", "JSON")], "no format 'JSON'");
    check(&[("_format", "nginx"), ("_format_time_format", "%s")], "'nginx' has no such property");
    check(&[("_format", "json"), ("_format_pattern", "x")], "'json' has no such property");
    check(&[("_format", "json"), ("_format_keys", "x")], "'json' has no such property");
    check(&[("_format_pattern", "x")], "'none' has no such property");
}

#[test]
fn times_of_formats() {
    let rules = |format, key: Option<&str>, time: Option<&str>| FieldRules {
        format,
        time_key: key.map(str::to_owned),
        time_format: time.map(str::to_owned),
    };
    let env = [("_format", "json"), ("_format_time_key", "ts"), ("_format_time_format", "%Y %d")];
    let expect = rules(FieldFormat::Json, Some("ts"), Some("%Y %d"));
    both(&env, |log, problems| assert_eq!((&log.fields, problems.len()), (&expect, 0)));
    let expect = rules(FieldFormat::Regexp { pattern: "x".to_owned() }, None, Some("%s"));
    let env = [("_format", "regexp"), ("_format_pattern", "x"), ("_format.time_format", "%s")];
    both(&env, |log, problems| assert_eq!((&log.fields, problems.len()), (&expect, 0)));
    let declared = read(
        &[],
        &[
            ("aliyun.logs.a", "/a"),
            ("aliyun.logs.a.format", "csv"),
            ("aliyun.logs.a.format.keys", "t,b"),
            ("aliyun.logs.a.format.time_key", "t"),
            ("aliyun.logs.a.format.time_format", "%s"),
        ],
    );
    let expect = FieldFormat::Csv { keys: vec!["t".to_owned(), "b".to_owned()] };
    assert_eq!(declared.logs[0].fields, rules(expect, Some("t"), Some("%s")));
    assert_eq!(declared.problems, []);
}

#[test]
fn tags_and_targets() {
    let check = |list: &str, expect: &[(&str, &str)], wrong: usize| {
        both(&[("_tags", list)], |log, problems| {
            assert_eq!(tags(&log), expect, "{list:?}");
            assert_eq!(problems.len(), wrong, "{list:?} {problems:?}");
        });
    };
    check("app=shop,stage=dev", &[("app", "shop"), ("stage", "dev")], 0);
    check(" app = shop , stage = dev ", &[("app", "shop"), ("stage", "dev")], 0);
    check("app=shop,", &[("app", "shop")], 0);
    check("", &[], 0);
    check("app=shop,bad,=x,y=,b=1", &[("app", "shop"), ("b", "1")], 3);
    check("url=a=b", &[("url", "a=b")], 0);
    check("k=1,k=2", &[("k", "2")], 0);
    check("index=i,topic=t,target=x", &[("index", "i"), ("target", "x"), ("topic", "t")], 0);
    check("k=${HOME} #{exit} `id`\nx", &[("k", "${HOME} #{exit} `id`\nx")], 0);
    let many: Vec<String> = (0..100).map(|n| format!("k{n:03}=v")).collect();
    both(&[("_tags", &many.join(","))], |log, problems| {
        assert_eq!((log.tags.len(), problems.len()), (64, 36));
    });
    both(&[("_tags", &format!("long={},b=1", "x".repeat(2_000)))], |log, problems| {
        assert_eq!((tags(&log), problems.len()), (vec![("b", "1")], 1));
    });
    both(&[("_target", " Shop/Logs ")], |log, _| {
        assert_eq!(log.target.as_deref(), Some("Shop/Logs"));
    });
    both(&[("_target", " ")], |log, problems| assert_eq!((log.target, problems.len()), (None, 0)));
}

#[test]
fn joining() {
    let pattern = || JoinRules { pattern: "^\\[".to_owned(), ..JoinRules::default() };
    let full = JoinRules {
        negate: true,
        side: JoinSide::Behind,
        flush_pattern: Some("end".to_owned()),
        lines_max: 20,
        timeout_ms: 1_500,
        ..pattern()
    };
    both(&[("_multiline_pattern", "^\\[")], |log, problems| {
        assert_eq!((log.join, problems.len()), (Some(pattern()), 0));
    });
    let env = [
        ("_multiline_pattern", "^\\["),
        ("_multiline_negate", "true"),
        ("_multiline_match", "before"),
        ("_multiline_flush_pattern", "end"),
        ("_multiline_max_lines", "20"),
        ("_multiline_timeout", "1500ms"),
    ];
    both(&env, |log, problems| assert_eq!((log.join.as_ref(), problems.len()), (Some(&full), 0)));
    let labels: Vec<(String, &str)> = env
        .iter()
        .map(|(key, value)| (format!("aliyun.logs.a{}", key.replacen('_', ".", 2)), *value))
        .collect();
    let mut labels: Vec<(&str, &str)> = labels.iter().map(|(key, v)| (key.as_str(), *v)).collect();
    labels.push(("aliyun.logs.a", "stdout"));
    let declared = read(&[], &labels);
    assert_eq!((declared.logs[0].join.as_ref(), declared.problems.len()), (Some(&full), 0));
    // What cannot be read leaves the default of that one thing.
    let env = [
        ("_multiline_pattern", "^\\["),
        ("_multiline_negate", "yes"),
        ("_multiline_match", "After"),
        ("_multiline_max_lines", "0"),
        ("_multiline_timeout", "5"),
    ];
    both(&env, |log, problems| assert_eq!((log.join, problems.len()), (Some(pattern()), 4)));
    both(&[("_multiline_negate", "true")], |log, problems| {
        assert_eq!((log.join, problems.len()), (None, 1));
    });
    for (text, expect) in [("5s", 5_000), ("2m", 120_000), ("100ms", 100)] {
        both(&[("_multiline_pattern", "x"), ("_multiline_timeout", text)], |log, _| {
            assert_eq!(log.join.map(|join| join.timeout_ms), Some(expect), "{text}");
        });
    }
    for text in ["99ms", "11m", "1h", "s", "-5s", "99999999999s", "4294968s", "5 s"] {
        both(&[("_multiline_pattern", "x"), ("_multiline_timeout", text)], |log, problems| {
            assert_eq!(log.join.map(|join| join.timeout_ms), Some(5_000), "{text}");
            assert_eq!(problems.len(), 1);
        });
    }
}

#[test]
fn custom_config() {
    let text = "acc.fields.team = shop\nacc.multiline.pattern='^\\d'\n\nacc.multiline.negate=true\r\n\
                acc.multiline.match=after\nacc.multiline.timeout=7s\nacc.multiline.max_lines=9\n\
                access.fields.team=other\nmy_app.fields.a.b=c=d\nacc.close_inactive=1h\n\
                no line\nac.fields.team=x\nacc.fields.=x\nacc.multiline.type=count\n";
    let declared = read(
        &[
            ("aliyun_logs_acc", "stdout"),
            ("aliyun_logs_acc_tags", "stage=dev"),
            ("aliyun_logs_access", "/a.log"),
            ("aliyun_logs_access_tags", "team=mine"),
            ("aliyun_logs_my_app", "/m.log"),
            ("aliyun_logs_custom_config", text),
        ],
        &[],
    );
    assert_eq!(logs(&declared), ["acc stdout", "access /a.log", "my_app /m.log"]);
    assert_eq!(tags(&declared.logs[0]), [("stage", "dev"), ("team", "shop")]);
    assert_eq!(tags(&declared.logs[1]), [("team", "mine")], "a tag of its own wins");
    assert_eq!(tags(&declared.logs[2]), [("a.b", "c=d")]);
    let join = JoinRules {
        pattern: "^\\d".to_owned(),
        negate: true,
        lines_max: 9,
        timeout_ms: 7_000,
        ..JoinRules::default()
    };
    assert_eq!(declared.logs[0].join, Some(join));
    let problems: Vec<_> =
        declared.problems.iter().map(|p| (p.name.as_deref(), p.what.as_str())).collect();
    assert_eq!(
        problems,
        [
            (Some("acc"), "the setting 'close_inactive' has no effect"),
            (None, "the line 'no line' has no '='"),
            (None, "no log that is declared has the setting 'ac.fields.team'"),
            (Some("acc"), "the setting 'fields.' has no effect"),
            (Some("acc"), "the setting 'multiline.type' has no effect"),
        ]
    );
    // The log's own word wins.
    let declared = read(
        &[
            ("aliyun_logs_acc", "stdout"),
            ("aliyun_logs_acc_multiline_pattern", "own"),
            ("aliyun_logs_custom_config", "acc.multiline.pattern=shared"),
        ],
        &[],
    );
    assert_eq!(declared.logs[0].join.as_ref().map(|join| join.pattern.as_str()), Some("own"));
    // A log may be called so.
    let log = one(&[("aliyun_logs_custom_config", "/x.log")]);
    assert_eq!(log.name, "custom_config");
}
