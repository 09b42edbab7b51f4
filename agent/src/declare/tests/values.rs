//! Where a log is.

use super::*;

#[test]
fn sources() {
    use ProblemKind::{Mistake, Neighbour};
    let check = |value: &str, expect: &[&str], kinds: &[ProblemKind]| {
        let declared = read(&[("aliyun_logs_a", value)], &[]);
        assert_eq!(logs(&declared), expect, "{value:?}");
        let found: Vec<_> = declared.problems.iter().map(|problem| problem.kind).collect();
        assert_eq!(found, kinds, "{value:?} {:?}", declared.problems);
        for problem in declared.problems {
            assert_eq!(problem.name.as_deref(), Some("a"));
            assert!(!problem.mend.is_empty());
        }
    };
    check("stdout", &["a stdout"], &[]);
    check(" stdout\n", &["a stdout"], &[]);
    check(" /logs/*.log ", &["a /logs/*.log"], &[]);
    check("/logs/%Y%m%d/a?.[lL]og", &["a /logs/%Y%m%d/a?.[lL]og"], &[]);
    check("/logs/**/a.log", &["a /logs/**/a.log"], &[]);
    // Lists: a comma followed by a slash.
    check("/a/*.log, /b.log,/a/*.log", &["a /a/*.log /b.log"], &[]);
    check("/a/b,c.log", &["a /a/b,c.log"], &[]);
    check("/a/{b,/c}.log", &["a /a/{b,/c}.log"], &[]);
    check("/a/b\\,/c.log", &["a /a/b\\,/c.log"], &[]);
    check("stdout,/a/b", &["a /a/b"], &[Mistake]);
    check("/a/b,stdout", &[], &[Mistake]);
    check("/a/b,/c/..", &["a /a/b"], &[Mistake]);
    // Not collected.
    check("", &[], &[Mistake]);
    check("STDOUT", &[], &[Mistake]);
    check("stderr", &[], &[Mistake]);
    check("stdout,stderr", &[], &[Mistake]);
    check("logs/a.log", &[], &[Mistake]);
    check("./a", &[], &[Mistake]);
    check("*.log", &[], &[Mistake]);
    check("a.log", &[], &[Mistake]);
    check("/var/log/", &[], &[Mistake]);
    check("/", &[], &[Mistake]);
    check("/a/../b", &[], &[Mistake]);
    check("/a/\\.\\./b", &[], &[Mistake]);
    check("/a/{..,b}/c", &[], &[Mistake]);
    check("/a\0b", &[], &[Mistake]);
    check("k8s-log-c123", &[], &[Neighbour]);
    check("/a/%Q.log", &["a /a/%Q.log"], &[Mistake]);
    check("/a/%%Q.log", &["a /a/%%Q.log"], &[]);
    let long = format!("/{}", "x".repeat(5_000));
    check(&long, &[], &[Mistake]);
}

#[test]
fn a_list_is_bounded() {
    let list: Vec<String> = (0..100).map(|n| format!("/{n}")).collect();
    let (log, problem) = one_with_problem(&[("aliyun_logs_a", &list.join(","))]);
    let LogSource::Files(patterns) = log.source else { panic!("no files") };
    assert_eq!(patterns.len(), crate::core::limits::PATHS_PER_LOG_MAX);
    assert!(problem.what.contains("64"), "{problem}");
}

#[test]
fn messages_hold_the_mend() {
    let check = |value: &str, expect: &str| {
        let declared = read(&[("aliyun_logs_a", value)], &[]);
        assert_eq!(declared.problems[0].to_string(), expect);
    };
    check(
        "STDOUT",
        "variable aliyun_logs_a: 'STDOUT' is neither 'stdout' nor an absolute path; write \
         'stdout' in small letters",
    );
    check(
        "stdout,/a/b",
        "variable aliyun_logs_a: 'stdout' cannot be read as a path beside others; declare the \
         container's output under a name of its own, as 'stdout'",
    );
    check(
        "/var/log/",
        "variable aliyun_logs_a: the path is a directory; add which files in it are meant, such \
         as '*.log'",
    );
    // What could be a secret is not shown.
    check(
        "s3cr3t",
        "variable aliyun_logs_a: the value is neither 'stdout' nor an absolute path; it is left alone",
    );
}
