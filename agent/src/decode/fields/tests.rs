//! Tables of each format, and what holds for any text.

use jiff::civil::date;
use jiff::tz::{Offset, TimeZone};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::decode::escape_into;

fn rules(format: FieldFormat) -> FieldRules {
    FieldRules { format, ..FieldRules::default() }
}

fn regexp(pattern: &str) -> FieldFormat {
    FieldFormat::Regexp { pattern: pattern.into() }
}

/// Members as one object, and the time.
fn extracted(rules: &FieldRules, text: &str) -> Option<(Value, Option<String>)> {
    let extractor = Extractor::new(rules).unwrap();
    let mut escaped = Vec::new();
    escape_into(&mut escaped, text);
    let zone = TimeZone::fixed(Offset::from_seconds(8 * 3600).unwrap());
    let clock = Clock { zone: &zone, today: date(2026, 1, 2) };
    let mut fields = Fields::default();
    let found = extractor.extract(&[&escaped], &clock, &mut fields);
    assert!(found || fields.members().next().is_none());
    let value = |member: Member<'_>| serde_json::from_slice::<Value>(member.value).unwrap();
    let members: Map<String, Value> =
        fields.members().map(|member| (member.name.to_owned(), value(member))).collect();
    let time = fields.time().map(|time| String::from_utf8(time.to_vec()).unwrap());
    found.then_some((members.into(), time))
}

#[allow(clippy::needless_pass_by_value, reason = "tables are easier to read without borrows")]
fn check(format: FieldFormat, text: &str, expect: Option<Value>) {
    let got = extracted(&rules(format.clone()), text).map(|(members, _)| members);
    assert_eq!(got, expect, "{format:?} of {text:?}");
}

#[test]
fn access_logs_of_nginx() {
    let check = |text: &str, expect| check(FieldFormat::Nginx, text, expect);
    // The example of fluentd's documentation.
    check(
        r#"127.0.0.1 192.168.0.1 - [28/Feb/2013:12:00:00 +0900] "GET / HTTP/1.1" 200 777 "-" "Opera/12.0" -"#,
        Some(json!({
            "remote": "127.0.0.1", "host": "192.168.0.1", "user": "-",
            "time": "28/Feb/2013:12:00:00 +0900", "method": "GET", "path": "/",
            "code": "200", "size": "777", "referer": "-", "agent": "Opera/12.0",
            "http_x_forwarded_for": "-",
        })),
    );
    let common = json!({
        "remote": "::1", "host": "-", "user": "bob", "time": "x", "method": "GET",
        "path": "/a b", "code": "301", "size": "0",
    });
    let with = |more: Value| {
        let mut all = common.as_object().unwrap().clone();
        all.extend(more.as_object().unwrap().clone());
        Some(Value::from(all))
    };
    let head = r#"::1 - bob [x] "GET /a b HTTP/1.1" 301 0"#;
    check(head, Some(common.clone()));
    let combined = json!({"referer": "http://r/", "agent": "curl"});
    check(&format!(r#"{head} "http://r/" "curl""#), with(combined.clone()));
    let forwarded = |value: &str| {
        with(json!({"referer": "http://r/", "agent": "curl", "http_x_forwarded_for": value}))
    };
    check(
        &format!(r#"{head} "http://r/" "curl" "10.0.0.1, 10.0.0.2""#),
        forwarded("10.0.0.1, 10.0.0.2"),
    );
    check(&format!(r#"{head} "http://r/" "curl" "-""#), forwarded("-"));
    check(&format!(r#"{head} "http://r/" "curl" 10.0.0.1"#), forwarded("10.0.0.1"));
    check(&format!(r#"{head} "http://r/" "curl" "#), with(combined));
    // What a port scanner sends.
    let scan = r#"1.2.3.4 - - [x] "\x16\x03\x01" 400 157 "-" "-""#;
    let mut scanned = extracted(&rules(FieldFormat::Nginx), scan).unwrap().0;
    assert_eq!(scanned["method"], r"\x16\x03\x01");
    assert_eq!(scanned.as_object_mut().unwrap().remove("path"), None);
    for no in [
        "",
        "hello",
        r#"1.2.3.4 - - [x] "" 400 0 "-" "-""#,
        r#"1.2.3.4 - - [x] "GET / HTTP/1.1" 200 1 "-" "curl" "1.1.1.1" 0.005"#,
        r#"1.2.3.4 - - [x] "GET / HTTP/1.1" 200 1 "-""#,
        r#"1.2.3.4 - - x "GET / HTTP/1.1" 200 1"#,
        "2026/01/01 10:00:00 [error] 31#31: *1 open() failed",
    ] {
        check(no, None);
    }
}

#[test]
fn access_logs_of_apache() {
    let check = |text: &str, expect| check(FieldFormat::Apache2, text, expect);
    // The example of fluentd's documentation.
    check(
        r#"192.168.0.1 - - [28/Feb/2013:12:00:00 +0900] "GET / HTTP/1.1" 200 777 "-" "Opera/12.0""#,
        Some(json!({
            "host": "192.168.0.1", "time": "28/Feb/2013:12:00:00 +0900", "method": "GET",
            "path": "/", "code": 200, "size": 777, "agent": "Opera/12.0",
        })),
    );
    check(
        r#"a ident bob [t] "POST /x?a=\"b\" c HTTP/1.0" 304 - "http://r/\"" "a\\""#,
        Some(json!({
            "host": "a", "user": "bob", "time": "t", "method": "POST", "path": r#"/x?a=\"b\" c"#,
            "code": 304, "referer": r#"http://r/\""#, "agent": r"a\\",
        })),
    );
    check(
        r#"a - - [t] "-" 408 -"#,
        Some(json!({"host": "a", "time": "t", "method": "-", "code": 408})),
    );
    check(r#"a - - [t] "GET /" 200 1 "-" "-" 17"#, None);
    check("a - -", None);
}

#[test]
fn error_logs_of_apache() {
    let check = |text: &str, expect| check(FieldFormat::ApacheError, text, expect);
    check(
        "[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied by server configuration",
        Some(json!({
            "time": "Oct 11 14:32:52 2000", "level": "error", "client": "127.0.0.1",
            "message": "client denied by server configuration",
        })),
    );
    check(
        "[Tue Jan 06 10:00:00.123456 2026] [core:notice] [pid 7:tid 1] AH00094: Command line: 'x'",
        Some(json!({
            "time": "Jan 06 10:00:00.123456 2026", "level": "core:notice", "pid": "7:tid 1",
            "message": "AH00094: Command line: 'x'",
        })),
    );
    check("[Tue Jan 06 10:00:00 2026] [error]", None);
    check("anything", None);
}

#[test]
fn comma_separated_values() {
    let keys = ["a", "b", "c"].map(String::from).to_vec();
    let check = |text: &str, expect| check(FieldFormat::Csv { keys: keys.clone() }, text, expect);
    check("1,2,3", Some(json!({"a": "1", "b": "2", "c": "3"})));
    check("1,,3", Some(json!({"a": "1", "c": "3"})));
    check("1", Some(json!({"a": "1"})));
    check("1,2,3,4", Some(json!({"a": "1", "b": "2", "c": "3"})));
    check(r#""x,""y""",,"#, Some(json!({"a": "x,\"y\""})));
    check(r#""","z""#, Some(json!({"a": "", "b": "z"})));
    check(r#""","","""#, Some(json!({"a": "", "b": "", "c": ""})));
    check(r#""",2,"a""#, Some(json!({"a": "", "b": "2", "c": "a"})));
    check("\"line\nbreak\",ü", Some(json!({"a": "line\nbreak", "b": "ü"})));
    check(r#"a"b,c"#, None);
    check(r#""a"b,c"#, None);
    check(r#""a"#, None);
    check("", Some(json!({})));
    let none = FieldFormat::Csv { keys: Vec::new() };
    assert_eq!(Extractor::new(&rules(none)).unwrap_err(), FieldError::NoKeys);
}

#[test]
fn an_object_per_line() {
    let check = |text: &str, expect| check(FieldFormat::Json, text, expect);
    check(
        r#" {"a":"x\n\u00e9","n":-1,"u":18446744073709551615,"f":1.5,"t":true,"z":null} "#,
        Some(json!({
            "a": "x\né", "n": -1, "u": 18_446_744_073_709_551_615_u64, "f": 1.5, "t": true, "z": null,
        })),
    );
    check(
        r#"{"o":{"a.b":1,"a_b":2,"":{},"x":1,"x":[{"y":[]},"z"]}}"#,
        Some(json!({"o": {"a_b": 1, "a_b_": 2, "_": {}, "x": [{"y": []}, "z"]}})),
    );
    check(r#"{"a":1,"a":2}"#, Some(json!({"a": 2})));
    check(r#"{"a":"\ud83d"}"#, Some(json!({"a": "\u{fffd}"})));
    check(r#"{"a":1e300}"#, Some(json!({"a": 1e300})));
    check("{}", Some(json!({})));
    for no in
        ["", "x", "[1]", "1", "null", r#"{"a":1"#, r#"{"a":1}x"#, r#"{"a":1}{"b":2}"#, "{a:1}"]
    {
        check(no, None);
    }
    let nested = |depth| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(extracted(&rules(FieldFormat::Json), &nested(15)).is_some());
    check(&nested(16), None);
    check(&nested(100_000), None);
    let wide = |members: usize| {
        let members: Vec<_> = (0..members).map(|number| format!("\"m{number}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(extracted(&rules(FieldFormat::Json), &wide(256)).is_some());
    check(&wide(257), None);
    check(&format!("{{\"a\":{}}}", wide(256)), None);
}

#[test]
fn patterns_of_ruby() {
    let check = |pattern: &str, text: &str, expect: Option<Value>| {
        check(regexp(pattern), text, expect);
    };
    // The example of fluentd's documentation.
    check(
        r"/^\[(?<logtime>[^\]]*)\] (?<name>[^ ]*) (?<title>[^ ]*) (?<id>\d*)$/",
        "[2013-02-28 12:00:00 +0900] alice engineer 1",
        Some(json!({
            "logtime": "2013-02-28 12:00:00 +0900", "name": "alice", "title": "engineer", "id": "1",
        })),
    );
    check(r"(?<a>\d+)(?:-(?<b>\d+))?", "x 12 y", Some(json!({"a": "12"})));
    check(r"(a)(?<x>b)(c)", "abc", Some(json!({"x": "b"})));
    check(r"(?'x'b)", "abc", Some(json!({"x": "b"})));
    check(r"(?<x>a)|(?<x>b)", "b", Some(json!({"x": "b"})));
    check(r"(?<x>\d+)", "٣", None);
    check(r"(?<x>[\d\-]+)", "1-2", Some(json!({"x": "1-2"})));
    check(r"(?<x>[^\s]+)", "ab c", Some(json!({"x": "ab"})));
    check(r"(?<x>[[:alpha:]_]+)", "1ab_", Some(json!({"x": "ab_"})));
    check(r"(?<x>\h+)", "zff", Some(json!({"x": "ff"})));
    check(r"(?<x>a++b?+c*+)", "aab", Some(json!({"x": "aab"})));
    check(r"(?<x>(?>ab|a)c)", "abc", Some(json!({"x": "abc"})));
    check(r"{(?<x>a{2}b{,1}c{1,})}", "{aabcc}", Some(json!({"x": "aabcc"})));
    check(r"(?<x>a{,})", "a{,}", Some(json!({"x": "a{,}"})));
    check(r"^b(?<x>.)$", "a\nbc\nd", Some(json!({"x": "c"})));
    check(r"a(?<x>.)b", "a\nb", None);
    check(r"a(?m:(?<x>.))b", "a\nb", Some(json!({"x": "\n"})));
    check(r"/a(?<x>.)B/im", "A\nb", Some(json!({"x": "\n"})));
    check("/a (?<x> b [ #] ) # comment\n/x", "ab c ab#", Some(json!({"x": "b "})));
    check(r"\A(?<x>\S+)\Z", "abc", Some(json!({"x": "abc"})));
    check(r#"(?<x>\x41\u0042\u{43}\/\<\")"#, r#"ABC/<""#, Some(json!({"x": "ABC/<\""})));
    check(r"(?#what)(?<x>a)(?i)B", "ab", Some(json!({"x": "a"})));
    check(r"(?<日>.)", "x", Some(json!({"日": "x"})));
    check(r"/(?<x>a)/b", "/a/b", Some(json!({"x": "a"})));
    check(r"(?<x>]})", "]}", Some(json!({"x": "]}"})));
}

#[test]
fn patterns_that_cannot_be_used() {
    let check = |pattern: &str, expect: &str| {
        let error = Extractor::new(&rules(regexp(pattern))).unwrap_err().to_string();
        assert!(error.contains(expect), "{pattern}: {error}");
        assert!(!error.contains('\n'), "{error}");
    };
    check(r"(?<x>a)(?=b)", "a look ahead or behind at byte 7");
    check(r"(?<!b)(?<x>a)", "a look ahead or behind at byte 0");
    check(r"(?<x>a)\k<x>", "a reference to another group");
    check(r"(?<x>a)\g<x>", "a call of another group");
    check(r"(?<x>a)(?~b)", "not supported");
    check(r"abc", "names no field");
    check("", "names no field");
    check(r"(?<>a)", "a group without a name");
    check(r"(?<x>a", "unclosed group");
    check(r"(?<x>[a", "unclosed character class");
    check(r"(?<x>a)\", "backslash");
    check(r"(?<x>((a{100}){100}){100})", "becomes too large");
    check(&format!("(?<x>a){}", "b".repeat(5_000)), "at most 4096");
}

#[test]
fn times_of_texts() {
    let check = |key: Option<&str>, format: Option<&str>, time: Value, expect: Option<&str>| {
        let rules = FieldRules {
            format: FieldFormat::Json,
            time_key: key.map(str::to_owned),
            time_format: format.map(str::to_owned),
        };
        let key = key.unwrap_or("time");
        let (members, got) = extracted(&rules, &json!({key: time}).to_string()).unwrap();
        assert_eq!(members[key], time);
        assert_eq!(got.as_deref(), expect, "{format:?} of {time}");
    };
    // The zone is +08:00, and today 2026-01-02.
    let iso = Some("2026-01-01T04:00:00.500000000Z");
    check(Some("t"), None, json!("2026-01-01T12:00:00.5+08:00"), iso);
    check(Some("t"), None, json!("2026-01-01T04:00:00.500Z"), iso);
    check(Some("t"), None, json!("2026-01-01 12:00:00,500"), iso);
    check(Some("t"), None, json!(1_767_240_000.5), iso);
    check(Some("t"), None, json!(1_767_240_000_500_u64), iso);
    check(Some("t"), None, json!(1_767_240_000), Some("2026-01-01T04:00:00.000000000Z"));
    check(Some("t"), None, json!("noon"), None);
    check(Some("t"), None, json!(true), None);
    check(Some("t"), None, json!([1]), None);
    check(None, None, json!("2026-01-01T04:00:00.500Z"), None);
    let format = Some("%d/%b/%Y:%H:%M:%S %z");
    check(
        None,
        format,
        json!("28/Feb/2013:12:00:00 +0900"),
        Some("2013-02-28T03:00:00.000000000Z"),
    );
    check(
        None,
        format,
        json!("28/Feb/2013:12:00:00 +09:00"),
        Some("2013-02-28T03:00:00.000000000Z"),
    );
    check(None, format, json!("28/Feb/2013:12:00:00 Z"), Some("2013-02-28T12:00:00.000000000Z"));
    check(None, format, json!("28/Foo/2013:12:00:00 +0900"), None);
    let local = Some("%Y-%m-%d %H:%M:%S.%L");
    check(None, local, json!("2026-01-01 12:00:00.500"), iso);
    check(None, Some("%Y%m%d%H%M%S.%3N"), json!("20260101120000.500"), iso);
    check(None, Some("%s"), json!("1767240000"), Some("2026-01-01T04:00:00.000000000Z"));
    check(None, Some("%s"), json!(1_767_240_000), Some("2026-01-01T04:00:00.000000000Z"));
    check(None, Some("%Y-%m-%d"), json!("2026-01-01"), Some("2025-12-31T16:00:00.000000000Z"));
    // Without a year, and without a date.
    check(
        None,
        Some("%b %d %H:%M:%S"),
        json!("Dec 31 10:00:00"),
        Some("2025-12-31T02:00:00.000000000Z"),
    );
    check(
        None,
        Some("%b %d %H:%M:%S"),
        json!("Jan 1 10:00:00"),
        Some("2026-01-01T02:00:00.000000000Z"),
    );
    check(None, Some("%H:%M:%S"), json!("10:00:00"), Some("2026-01-02T02:00:00.000000000Z"));
    let built_in = |format, text| extracted(&rules(format), text).unwrap().1;
    let apache = "[Wed Oct 11 14:32:52 2000] [error] x";
    assert_eq!(
        built_in(FieldFormat::ApacheError, apache).as_deref(),
        Some("2000-10-11T06:32:52.000000000Z")
    );
    let nginx = r#"a b c [28/Feb/2013:12:00:00 +0900] "GET /" 200 1"#;
    let time = Some("2013-02-28T03:00:00.000000000Z");
    assert_eq!(built_in(FieldFormat::Nginx, nginx).as_deref(), time);
    for (format, fault) in [("%Y %Z", "use %z"), ("%Q %!", "%"), ("%", "at its end")] {
        let rules = FieldRules {
            format: FieldFormat::Json,
            time_key: None,
            time_format: Some(format.into()),
        };
        let error = Extractor::new(&rules).unwrap_err().to_string();
        assert!(error.contains(fault), "{format}: {error}");
    }
}

proptest! {
    #[test]
    fn json_is_what_another_parser_makes_of_it(
        keys in prop::collection::vec("[a-c._]{0,2}", 0..6), texts in prop::collection::vec(any::<String>(), 6),
        number in any::<i64>(), float in any::<f64>().prop_filter("JSON says it", |float| float.is_finite()),
    ) {
        let mut object = Map::new();
        for (key, text) in keys.iter().zip(&texts) {
            object.insert(key.clone(), json!([text, number, {"x": text}]));
        }
        let text = Value::from(object.clone()).to_string();
        let got = extracted(&rules(FieldFormat::Json), &text).map(|(members, _)| members);
        prop_assert_eq!(got, Some(object.into()));
        // The other one is not exact in these.
        let mut fields = Fields::default();
        let zone = TimeZone::UTC;
        let clock = Clock { zone: &zone, today: date(2026, 1, 2) };
        let extractor = Extractor::new(&rules(FieldFormat::Json)).unwrap();
        let text = format!("{{\\\"f\\\":{float:?}}}");
        prop_assert!(extractor.extract(&[text.as_bytes()], &clock, &mut fields));
        let member = fields.members().next().unwrap();
        let value: f64 = std::str::from_utf8(member.value).unwrap().parse().unwrap();
        prop_assert_eq!(value.to_bits(), float.to_bits());
    }

    #[test]
    fn any_text_of_any_format_is_taken_apart_or_not(text in any::<String>(), line in r#"[\[\]" ,\-a-z0-9{}:\\]{0,60}"#) {
        for format in [
            FieldFormat::Json,
            FieldFormat::Csv { keys: vec!["a".into(), "a".into()] },
            FieldFormat::Nginx,
            FieldFormat::Apache2,
            FieldFormat::ApacheError,
            regexp(r"(?<a>.)(?<b>\W)?"),
        ] {
            for text in [&text, &line] {
                extracted(&rules(format.clone()), text);
            }
        }
    }

    /// Whatever a tenant writes is a pattern or an error, and never a panic.
    #[test]
    fn any_pattern_is_taken_or_refused(
        pattern in r"[\\()\[\]{}?<>:*+|^$.,#x1 imdwskgpuQ'~/-]{0,40}", text in "[a-z1 ]{0,20}",
    ) {
        let pattern = format!("(?<a>x?){pattern}");
        if let Ok(extractor) = Extractor::new(&rules(regexp(&pattern))) {
            let zone = TimeZone::UTC;
            let clock = Clock { zone: &zone, today: date(2026, 1, 2) };
            extractor.extract(&[text.as_bytes()], &clock, &mut Fields::default());
        }
    }

    #[test]
    fn any_time_format_is_taken_or_refused(format in "[%a-zA-Z0-9:. -]{0,12}", time in "[0-9a-zA-Z:. +-]{0,24}") {
        let rules = FieldRules {
            format: FieldFormat::Json, time_key: None, time_format: Some(format),
        };
        if Extractor::new(&rules).is_ok() {
            extracted(&rules, &json!({"time": time}).to_string());
        }
    }
}
