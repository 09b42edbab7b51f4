//! Patterns of paths, and what a walk needs of them.

use std::path::Path;

use proptest::prelude::*;

use super::*;

fn parse(pattern: &str) -> PathPattern {
    PathPattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"))
}

#[test]
fn a_pattern_may_be_a_path() {
    let check = |pattern: &str, expect: Option<&str>| {
        assert_eq!(parse(pattern).single().as_deref(), expect.map(Path::new), "{pattern}");
    };
    check("/a/b.log", Some("/a/b.log"));
    check("/a/./\\*.log", Some("/a/*.log"));
    check("/{a,a}/b", Some("/a/b"));
    for pattern in ["/a/*.log", "/a/{b,c}", "/a/**", "/a/%Y.log", "/?/b"] {
        check(pattern, None);
    }
}

#[test]
fn matching() {
    let check = |pattern: &str, yes: &[&str], no: &[&str]| {
        let parsed = parse(pattern);
        for path in yes {
            assert!(parsed.matches(Path::new(path)), "{pattern} {path}");
        }
        for path in no {
            assert!(!parsed.matches(Path::new(path)), "{pattern} {path}");
        }
    };
    check("/a/b.log", &["/a/b.log", "//a/./b.log"], &["/a/bxlog", "/a", "/a/b.log/c", "a/b.log"]);
    check("//a/./b.log", &["/a/b.log"], &[]);
    check("/a/*.log", &["/a/b.log", "/a/b.c.log"], &["/a/.b.log", "/a/b/c.log", "/a/b.log.1"]);
    check("/a/.*", &["/a/.b"], &["/a/b", "/a/..", "/a/."]);
    check(
        "/a/catalina.*.log",
        &["/a/catalina.2024-01-01.log", "/a/catalina..log"],
        &["/a/catalina.log"],
    );
    check("/a/?", &["/a/b", "/a/é", "/a/漢"], &["/a/", "/a/bc", "/a/."]);
    check("/*/x", &["/a/x"], &["/x", "/.a/x", "/a/b/x"]);
    check("/a/[bc]", &["/a/b", "/a/c"], &["/a/d", "/a/[bc]"]);
    check("/a/[a-c0-9]", &["/a/b", "/a/5"], &["/a/d", "/a/-"]);
    check("/a/x[!a-c]", &["/a/xd", "/a/x!"], &["/a/xb", "/a/x"]);
    check("/a/x[^a-c]", &["/a/xd"], &["/a/xb"]);
    check("/a/[!b]", &["/a/c"], &["/a/.", "/a/b"]);
    check("/a/x[]]y", &["/a/x]y"], &["/a/xy"]);
    check("/a/x[]a-]y", &["/a/x-y", "/a/xay"], &["/a/xby"]);
    check("/a/x[\\]]", &["/a/x]"], &["/a/x\\"]);
    check("/a/x[", &["/a/x["], &["/a/x"]);
    check("/a/x[b/c]", &["/a/x[b/c]"], &["/a/xb"]);
    check("/a/\\*\\?\\[b]", &["/a/*?[b]"], &["/a/xxb"]);
    check("/a/b\\", &["/a/b\\"], &["/a/b"]);
    check("/a/{b,c}.log", &["/a/b.log", "/a/c.log"], &["/a/d.log", "/a/{b,c}.log"]);
    check("/{a,b/{c,d}}/x", &["/a/x", "/b/c/x", "/b/d/x"], &["/b/x", "/c/x"]);
    check("/a/{,b}x", &["/a/x", "/a/bx"], &["/a/b"]);
    check("/a/${b}", &["/a/${b}"], &["/a/$b"]);
    check("/a/{b", &["/a/{b"], &[]);
    check("/a/\\{b,c\\}", &["/a/{b,c}"], &["/a/b"]);
    check("/a/**/x", &["/a/x", "/a/b/x", "/a/b/c/x"], &["/a/b/.c/x", "/a/b", "/x"]);
    check("/a/**", &["/a/x", "/a/b/x"], &["/a", "/a/.x", "/a/.b/x"]);
    check("/**/x/**/y", &["/x/y", "/a/x/y", "/x/b/y", "/a/x/x/b/y"], &["/x", "/y", "/a/y"]);
    check("/a/**/**/x", &["/a/x", "/a/b/c/x"], &[]);
    check("/a/b**c", &["/a/bc", "/a/bxc"], &["/a/b/c"]);
    check(
        "/a/%Y%m%d.log",
        &["/a/20240131.log", "/a/99999999.log"],
        &["/a/2024013.log", "/a/x.log"],
    );
    check("/a/%F.log", &["/a/2024-01-31.log"], &["/a/20240131.log"]);
    check("/a/%b%e-%j", &["/a/Jan 1-001", "/a/Jan31-365"], &["/a/Jan1-001"]);
    check("/a/100%%", &["/a/100%"], &["/a/100%%"]);
    check("/a/%Q%", &["/a/%Q%"], &["/a/Q"]);
    let deep = |depth: usize| format!("/a{}/x", "/d".repeat(depth));
    check("/a/**/x", &[&deep(16)], &[&deep(17)]);
}

#[test]
fn names_that_are_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let path = |bytes: &'static [u8]| Path::new(std::ffi::OsStr::from_bytes(bytes));
    assert!(parse("/a/?x*").matches(path(b"/a/\xffx\xfe\xfd")));
    assert!(parse("/a/[!b]").matches(path(b"/a/\xff")));
    assert!(!parse("/a/[b]").matches(path(b"/a/\xff")));
}

#[test]
fn refused() {
    let check = |pattern: &str, expect: PatternError| {
        assert_eq!(PathPattern::parse(pattern), Err(expect), "{pattern:?}");
    };
    check("", PatternError::NotAbsolute);
    check("a/b", PatternError::NotAbsolute);
    check("/a\0b", PatternError::Nul);
    check("/a/../b", PatternError::Upwards);
    check("/a/..", PatternError::Upwards);
    check("/{a,..}/b", PatternError::Upwards);
    check("/a/\\../b", PatternError::Upwards);
    check("/", PatternError::Directory);
    check("/a/", PatternError::Directory);
    check("/a/.", PatternError::Directory);
    check("/a/{b,c/}", PatternError::Directory);
    check("/{a,b}{a,b}{a,b}{a,b}{a,b}", PatternError::TooManyBranches);
    check(&format!("/{}", "{a,b}".repeat(500)), PatternError::TooManyBranches);
    check(&format!("/{}a{}", "{b,".repeat(500), "}".repeat(500)), PatternError::TooManyBranches);
    check(&format!("/{{a,b}}{}", "c".repeat(2_100)), PatternError::TooManyBranches);
    check(&format!("/{}", "a".repeat(4_096)), PatternError::TooLong);
    assert!(!parse("/a/*").matches(Path::new("/a/b/../c")));
}

#[test]
fn walking() {
    let only = |names: &[&str]| Below::Only(names.iter().map(Into::into).collect());
    let check = |pattern: &str, base: &str, below: &[(&str, Below)]| {
        let parsed = parse(pattern);
        assert_eq!(parsed.base(), Path::new(base), "{pattern}");
        for (directory, expect) in below {
            assert_eq!(parsed.below(Path::new(directory)), *expect, "{pattern} {directory}");
        }
    };
    check(
        "/var/log/app.log",
        "/var/log",
        &[
            ("/", only(&["var"])),
            ("/var", only(&["log"])),
            ("/var/log", only(&["app.log"])),
            ("/var/log/app.log", Below::Nothing),
            ("/tmp", Below::Nothing),
            ("var", Below::Nothing),
            ("/var/../var", Below::Nothing),
        ],
    );
    check(
        "/logs/*/out/a?.log",
        "/logs",
        &[
            ("/logs", Below::Any),
            ("/logs/x", only(&["out"])),
            ("/logs/.x", Below::Nothing),
            ("/logs/x/out", Below::Any),
            ("/logs/x/in", Below::Nothing),
        ],
    );
    check("/x.log", "/", &[("/", only(&["x.log"]))]);
    check("/*.log", "/", &[("/", Below::Any), ("/a", Below::Nothing)]);
    check("/a/{b,c}/d.log", "/a", &[("/a", only(&["b", "c"])), ("/a/b", only(&["d.log"]))]);
    check("/a/{b/x,b/y}", "/a/b", &[("/a/b", only(&["x", "y"]))]);
    check(
        "/a/**/x.log",
        "/a",
        &[("/a", Below::Any), ("/a/b/c", Below::Any), ("/a/.b", Below::Nothing)],
    );
    check("/a/\\*/x", "/a/*", &[]);
    let deep = format!("/a{}", "/d".repeat(16));
    check("/a/**/x", "/a", &[(&deep, only(&["x"])), (&format!("{deep}/d"), Below::Nothing)]);
}

/// What a component matches, by trying everything.
fn naive(pattern: &[char], name: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('*', rest)) => (0..=name.len()).any(|taken| naive(rest, &name[taken..])),
        Some((c, rest)) => name
            .split_first()
            .is_some_and(|(n, others)| (c == n || *c == '?') && naive(rest, others)),
    }
}

proptest! {
    #[test]
    fn a_component_matches_as_by_trying(pattern in "[ab*?]{1,8}", name in "[ab]{1,8}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let matches = parse(&format!("/x{pattern}")).matches(Path::new(&format!("/x{name}")));
        prop_assert_eq!(matches, naive(&chars(&pattern), &chars(&name)));
    }

    /// A walk that opens what it is told finds what matches.
    #[test]
    fn a_walk_misses_nothing(pattern in "(/([ab*?.]|\\*\\*){1,3}){1,4}", path in "(/[ab.]{1,2}){1,5}") {
        let (Ok(pattern), path) = (PathPattern::parse(&pattern), Path::new(&path)) else { return Ok(()) };
        if !pattern.matches(path) {
            return Ok(());
        }
        prop_assert!(path.starts_with(pattern.base()));
        for (directory, child) in path.ancestors().skip(1).zip(path.ancestors()) {
            match pattern.below(directory) {
                Below::Nothing => prop_assert!(false, "{:?} {:?}", pattern, directory),
                Below::Only(names) => prop_assert!(names.contains(child.file_name().unwrap())),
                Below::Any => {}
            }
        }
    }

    #[test]
    fn any_text_is_a_pattern_or_an_error(text in "/[]a/.*?{},%Y\\\\\\[!^-]{0,40}", path in "/[a./\\]\\[]{0,20}") {
        if let Ok(pattern) = PathPattern::parse(&text) {
            pattern.matches(Path::new(&path));
            pattern.below(Path::new(&path));
            prop_assert!(pattern.base().is_absolute());
        }
    }
}
