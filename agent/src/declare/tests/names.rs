//! Which key says what of which log.

use super::*;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn check(env: Pairs, labels: Pairs, expect: &[&str]) -> Declared {
    let declared = read(env, labels);
    assert_eq!(logs(&declared), expect, "{env:?} {labels:?} {:?}", declared.problems);
    declared
}

/// The kinds of what is wrong, each with the key that it is about.
fn kinds(declared: &Declared) -> Vec<(ProblemKind, String)> {
    declared.problems.iter().map(|p| (p.kind, p.written.to_string())).collect()
}

#[test]
fn names_with_underscores() {
    use ProblemKind::{Mistake, Neighbour};
    let clean = |env, labels, expect: &[&str]| {
        assert_eq!(check(env, labels, expect).problems, [], "{env:?}");
    };
    clean(&[("aliyun_logs_business_log", "/b.log")], &[], &["business_log /b.log"]);
    clean(
        &[("aliyun_logs_business", "stdout"), ("aliyun_logs_business_log", "/b.log")],
        &[],
        &["business stdout", "business_log /b.log"],
    );
    // Ends like a property.
    clean(&[("aliyun_logs_a_format", "/b.log")], &[], &["a_format /b.log"]);
    clean(&[("aliyun_logs_a_tags", "stdout")], &[], &["a_tags stdout"]);
    clean(&[("aliyun_logs_a_target", "stdout")], &[], &["a_target stdout"]);
    clean(
        &[("aliyun_logs_a", "/a.log"), ("aliyun_logs_a_format", "/b.log")],
        &[],
        &["a /a.log", "a_format /b.log"],
    );
    // A target may be called so; the log of that name exists.
    let declared = check(
        &[("aliyun_logs_a", "/a.log"), ("aliyun_logs_a_target", "stdout")],
        &[],
        &["a /a.log"],
    );
    assert_eq!(declared.logs[0].target.as_deref(), Some("stdout"));
    // In a label a name ends at a dot.
    clean(
        &[],
        &[("aliyun.logs.a", "/a.log"), ("aliyun.logs.a_target", "stdout")],
        &["a /a.log", "a_target stdout"],
    );
    // The longest suffix whose rest is a log.
    let declared = check(
        &[
            ("aliyun_logs_a_format", "stdout"),
            ("aliyun_logs_a_format_target", "x"),
            ("aliyun_logs_a_format_format", "json"),
        ],
        &[],
        &["a_format stdout"],
    );
    assert_eq!(declared.logs[0].fields.format, crate::core::FieldFormat::Json);
    assert_eq!(declared.logs[0].target.as_deref(), Some("x"));
    // Not understood, and alone in it.
    let declared = check(
        &[
            ("aliyun_logs_a", "stdout"),
            ("aliyun_logs_armsappid_tags", "app=1"),
            ("aliyun_logs_a_project", "p"),
            ("aliyun_logs_a_logstore", "p"),
            ("aliyun_logs_project", "k8s-log-c1"),
            ("aliyun_logs_region", "cn-hangzhou"),
            ("aliyun_logs_a_fromat", "json"),
        ],
        &[],
        &["a stdout"],
    );
    let mut kinds = kinds(&declared);
    kinds.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(
        kinds,
        [
            (Mistake, "variable aliyun_logs_a_fromat".to_owned()),
            (Neighbour, "variable aliyun_logs_a_logstore".to_owned()),
            (Neighbour, "variable aliyun_logs_a_project".to_owned()),
            (Neighbour, "variable aliyun_logs_armsappid_tags".to_owned()),
            (Neighbour, "variable aliyun_logs_project".to_owned()),
            (Neighbour, "variable aliyun_logs_region".to_owned()),
        ]
    );
    let typo = declared.problems.iter().find(|problem| problem.kind == Mistake).unwrap();
    assert_eq!((typo.name.as_deref(), typo.mend.as_str()), (Some("a"), "write format"));
    // The same words name a log if they say where it is.
    clean(&[("aliyun_logs_my_project", "/p.log")], &[], &["my_project /p.log"]);
}

#[test]
fn dots_hyphens_and_cases() {
    let env = [("aliyun_logs_webapp-dev", "/w.log"), ("aliyun_logs_webapp-dev.format", "json")];
    let log = one(&env);
    assert_eq!(
        (log.name.as_str(), &log.fields.format),
        ("webapp-dev", &crate::core::FieldFormat::Json)
    );
    // A variable begins with the underscores.
    check(&[("aliyun.logs.x", "stdout")], &[], &[]);
    check(&[("ALIYUN_LOGS_X", "stdout")], &[], &[]);
    check(
        &[("aliyun_logs_A", "stdout"), ("aliyun_logs_a", "stdout")],
        &[],
        &["A stdout", "a stdout"],
    );
    check(&[], &[("aliyun_logs_x", "stdout")], &[]);
    let declared = check(&[("aliyun_logs_", "stdout")], &[("aliyun.logs.", "stdout")], &[]);
    assert_eq!(declared.problems.len(), 1);
}

#[test]
fn the_same_log_twice() {
    // A variable wins over a label, and a label's property stands beside it.
    let declared = check(
        &[("aliyun_logs_a", "/env.log")],
        &[("aliyun.logs.a", "/label.log"), ("aliyun.logs.a.target", "t")],
        &["a /env.log"],
    );
    assert_eq!(kinds(&declared), [(ProblemKind::Overridden, "label aliyun.logs.a".to_owned())]);
    assert_eq!(declared.logs[0].target.as_deref(), Some("t"));
    assert_eq!(declared.logs[0].written, Written::Variable("aliyun_logs_a".to_owned()));
    // The last of two variables.
    check(&[("aliyun_logs_a", "/1.log"), ("aliyun_logs_a", "/2.log")], &[], &["a /2.log"]);
    // Said twice alike is no problem.
    let alike =
        check(&[("aliyun_logs_a", "/1.log")], &[("aliyun.logs.a", "/1.log")], &["a /1.log"]);
    assert_eq!(alike.problems, []);
    // `_` and `.` are one in names, as a variable has only one of them.
    check(
        &[("aliyun_logs_a_b", "/env.log")],
        &[("aliyun.logs.a.b", "/label.log")],
        &["a_b /env.log"],
    );
    check(&[("aliyun_logs_a_b", "/1.log"), ("aliyun_logs_a.b", "/2.log")], &[], &["a.b /2.log"]);
    let declared = check(
        &[],
        &[("aliyun.logs.a.b", "/1.log"), ("aliyun.logs.a_b", "/2.log")],
        &["a_b /2.log"],
    );
    assert_eq!(declared.problems.len(), 1);
    // A property in a label of a name that a variable spells otherwise.
    let declared = check(
        &[("aliyun_logs_a_b", "/1.log")],
        &[("aliyun.logs.a_b.target", "t")],
        &["a_b /1.log"],
    );
    assert_eq!(declared.logs[0].target.as_deref(), Some("t"));
}

#[test]
fn two_prefixes() {
    // The prefix that is sorted last, with whatever it has, a label over a variable too.
    let declared = check(
        &[("aliyun_logs_a", "/a.log"), ("aliyun_logs_a_target", "old")],
        &[("sluice.logs.a", "/s.log")],
        &["a /s.log"],
    );
    assert_eq!(declared.logs[0].target, None);
    assert_eq!(declared.problems.len(), 2);
    // Without a second source both add to the one log.
    let declared = check(
        &[("aliyun_logs_a", "/a.log"), ("sluice_logs_a_target", "new")],
        &[("aliyun.logs.a.tags", "k=v")],
        &["a /a.log"],
    );
    assert_eq!(declared.logs[0].target.as_deref(), Some("new"));
    assert_eq!(tags(&declared.logs[0]), [("k", "v")]);
}

#[test]
fn opting_out_leaves_nothing() {
    for (env, labels) in [
        (&[("SLUICE_COLLECT", "false"), ("sluice_logs_a", "stdout")][..], &[][..]),
        (&[("sluice_logs_a", "stdout")][..], &[("sluice.collect", " off ")][..]),
    ] {
        let expect = Declared { opted_out: true, ..Declared::default() };
        assert_eq!(read(env, labels), expect);
    }
    assert!(!read(&[("SLUICE_COLLECT", "true")], &[]).opted_out);
}
