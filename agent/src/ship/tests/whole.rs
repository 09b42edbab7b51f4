//! Failures of whole requests, and answers that cannot be believed.

use std::time::Duration;

use super::world::*;
use crate::ship::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

fn docs(count: u64) -> Vec<Doc> {
    (0..count).map(|it| doc((it % 3) as usize, "a", it * 100)).collect()
}

/// Answers the first requests with `plan`, and is a good server from then on.
fn first(times: usize, plan: Plan) -> impl FnMut(&Seen) -> Plan {
    let mut left = times;
    move |_| {
        let is_first = left > 0;
        left = left.saturating_sub(1);
        if is_first { plan.clone() } else { Plan::Store }
    }
}

/// Whatever the first answers are, every document is stored once and acknowledged after that.
fn check(plan: &Plan) -> World {
    let docs = docs(7);
    let mut world = World::new(first(2, plan.clone()));
    world.send(batch(1, &docs));
    world.run(Duration::from_millis(2));
    assert_eq!(world.receipts.len(), 0, "{plan:?}");
    assert!(world.run(MINUTE), "{plan:?}");
    assert!(world.is_acked(1), "{plan:?}");
    assert!(docs.iter().all(|it| world.holds(it)), "{plan:?}");
    assert_eq!((world.stored.len(), world.letters.len()), (7, 0), "{plan:?}");
    world
}

#[test]
fn refusals_for_load_and_faults_are_waited_out() {
    for plan in [
        whole(429, "es_rejected_execution_exception", ""),
        whole(429, "rejected_execution_exception", ""),
        whole(429, "circuit_breaking_exception", "Data too large"),
        whole(503, "circuit_breaking_exception", "Data too large"),
        whole(503, "cluster_block_exception", "no master"),
        whole(500, "", ""),
        Plan::Whole(502, "<html>bad gateway</html>".into()),
        Plan::Whole(504, String::new()),
        whole(403, "cluster_block_exception", "[FORBIDDEN/6/cluster read-only (api)]"),
        whole(404, "", ""),
        whole(405, "", ""),
        Plan::Whole(406, r#"{"error":"Content-Type header [] is not supported"}"#.into()),
        Plan::Whole(302, String::new()),
        whole(400, "illegal_argument_exception", "must be terminated by a newline [\\n]"),
        whole(500, "json_e_o_f_exception", ""),
    ] {
        check(&plan);
    }
}

#[test]
fn answers_that_lie_acknowledge_nothing() {
    let good = r#"{"create":{"status":201}}"#;
    let items = |count: usize| vec![good; count].join(",");
    let bodies = [
        r#"{"errors":false}"#.to_owned(),
        r#"{"errors":true,"items":[]}"#.to_owned(),
        r#"{"errors":false,"items":null}"#.to_owned(),
        format!(r#"{{"errors":false,"items":[{}]}}"#, items(6)),
        format!(r#"{{"errors":false,"items":[{}]}}"#, items(8)),
        format!(r#"{{"errors":false,"items":[{}"#, items(7)),
        format!(r#"{{"errors":false,"items":[{}]}}x"#, items(7)),
        format!(r#"{{"items":[{}],"items":[{}]}}"#, items(7), items(7)),
        format!(r#"{{"items":[{},{{"create":{{}},"index":{{}}}}]}}"#, items(6)),
        format!(r#"{{"items":[{},"x"]}}"#, items(6)),
        format!(r#"{{"items":{}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000)),
        "<html>login</html>".to_owned(),
        String::new(),
        "null".to_owned(),
    ];
    for body in bodies {
        for stored in [false, true] {
            let world = check(&Plan::Answer { stored, body: body.clone() });
            // What was stored meanwhile is our own doing.
            assert_eq!(world.mgets, 0, "{body}");
        }
    }
}

#[test]
fn items_that_lie_are_sent_again() {
    // A good status beside an error, no status, an empty item.
    let body = r#"{"items":[{"create":{"status":201,"error":{"type":"x"}}},{"create":{}},{}]}"#;
    let mut world = World::new(first(1, Plan::Answer { stored: false, body: body.into() }));
    world.send(batch(1, &docs(3)));
    assert!(world.run(MINUTE));
    assert!(world.is_acked(1) && world.stored.len() == 3);
}

#[test]
fn faults_of_the_way_are_waited_out() {
    use TransportFault::*;
    for fault in [Connect, Tls, Deadline, Closed, AnswerTooLarge] {
        for (sent, stored) in
            [(Sent::Nothing, false), (Sent::Part, false), (Sent::All, false), (Sent::All, true)]
        {
            let world = check(&Plan::Fail { stored, error: transport(fault, sent) });
            assert_eq!(world.reloads > 0, fault == Tls);
        }
    }
}

#[test]
fn a_batch_that_cannot_be_cut_is_read_again() {
    let error = transport(TransportFault::Cut, Sent::Nothing);
    let mut world = World::new(first(1, Plan::Fail { stored: false, error }));
    world.rewinds = true;
    world.send(batch(1, &docs(3)));
    assert!(world.run(MINUTE));
    assert_eq!(world.receipts.len(), 2);
    assert_eq!(world.stored.len(), 3);
}

#[test]
fn too_large_is_split_and_remembered() {
    let limit = 1_000;
    let mut world = World::new(move |seen| match seen.bytes > limit {
        true => Plan::Whole(413, String::new()),
        false => Plan::Store,
    });
    let mut many = docs(50);
    many[20].text = "x".repeat(2_000);
    world.send(batch(1, &many));
    assert!(world.run(MINUTE));
    assert!(world.is_acked(1));
    assert_eq!(world.letters, [(id(&many[20]), PoisonReason::TooLarge)]);
    assert_eq!(world.stored.len(), 49);
    let refused = world.seen.iter().filter(|it| it.bytes > limit).count();
    assert!(refused < 20, "{refused}");

    // The next one is cut before it is sent.
    let before = world.seen.len();
    let more: Vec<Doc> = (0..50).map(|it| doc(1, "a", 100_000 + it)).collect();
    world.send(batch_as(2, &more, crate::encode::Encoding::Gzip));
    assert!(world.run(MINUTE));
    assert!(world.is_acked(2) && more.iter().all(|it| world.holds(it)));
    assert!(world.seen[before..].iter().all(|it| it.bytes <= limit));
    assert!(world.seen.len() - before < 20);
}

#[test]
fn cuts_in_mid_body_at_one_size_are_taken_for_too_large() {
    let limit = 100_000;
    let mut world = World::new(move |seen| match seen.bytes > limit {
        true => {
            let error = transport(TransportFault::Closed, Sent::Part);
            Plan::Fail { stored: false, error }
        }
        false => Plan::Store,
    });
    let large = |it: u64, bytes: usize| Doc { text: "x".repeat(bytes), ..doc(0, "a", it) };
    let mut many: Vec<Doc> = (0..30).map(|it| large(it, 20_000)).collect();
    many.push(large(40, 150_000));
    world.send(batch(1, &many));
    assert!(world.run(HOUR));
    assert!(world.is_acked(1));
    assert_eq!(world.letters, [(id(&many[30]), PoisonReason::TooLarge)]);
    assert_eq!(world.stored.len(), 30);
}

#[test]
fn a_document_that_spoils_its_request_is_found_by_halving() {
    let docs = docs(32);
    let bad = id(&docs[7]);
    let mut world = World::new(move |seen| match seen.items.iter().any(|it| it.1 == bad) {
        true => whole(400, "action_request_validation_exception", "id is too long"),
        false => Plan::Store,
    });
    world.send(batch(1, &docs));
    assert!(world.run(MINUTE));
    assert!(world.is_acked(1));
    assert_eq!(world.letters, [(id(&docs[7]), PoisonReason::Malformed)]);
    assert_eq!(world.stored.len(), 31);
}

#[test]
fn elasticsearch_9_writes_a_refused_request_in_part() {
    let docs = docs(16);
    let bad = id(&docs[9]);
    let mut world = World::new(move |seen| {
        let at = seen.items.iter().position(|it| it.1 == bad);
        at.map_or(Plan::Store, |_| whole(400, "x_content_parse_exception", "cannot parse"))
    });
    // Written by the first, refused attempt: nobody has to be asked about them.
    docs[..9].iter().for_each(|it| world.put(it));
    world.send(batch(1, &docs));
    assert!(world.run(MINUTE));
    assert!(world.is_acked(1));
    assert_eq!((world.letters.len(), world.stored.len(), world.mgets), (1, 15, 0));
}

#[test]
fn an_alias_without_write_index_fails_the_request_and_pauses_alone() {
    let text = "no write index is defined for alias [alias].";
    let mut world = World::new(move |seen| match seen.items.iter().any(|it| it.0 == "alias") {
        true => whole(400, "illegal_argument_exception", text),
        false => Plan::Store,
    });
    let mut docs = docs(8);
    docs[3] = doc(3, "alias", 5);
    world.send(batch(1, &docs));
    assert!(world.run(MINUTE));
    let outcomes = world.outcomes(1);
    assert!(outcomes[..3].iter().all(|it| *it == Outcome::Acked));
    assert!(matches!(&outcomes[3], Outcome::Paused { index, .. } if &**index == "alias"));
    assert!(world.letters.is_empty());
}

#[test]
fn credentials_are_loaded_again_and_tried_at_once() {
    let refusal = || whole(401, "security_exception", "unable to authenticate");
    let mut world =
        World::new(move |seen| if seen.at_ns < 100 * SECOND { refusal() } else { Plan::Store });
    world.send(batch(1, &docs(3)));
    assert!(!world.run(Duration::from_secs(99)));
    assert!(world.reloads > 2 && world.reloads < 40, "{}", world.reloads);
    assert!(world.warnings.iter().any(|it| it.kind == WarningKind::Unauthorized));
    world.now_ns = 101 * SECOND;
    world.later(0, Input::CredentialsChanged);
    assert!(world.run(Duration::from_millis(500)));
    assert!(world.is_acked(1));
}

#[test]
fn a_dead_host_of_two_holds_up_nobody() {
    let settings = ShipSettings { hosts: 2, ..ShipSettings::default() };
    let mut world = World::with(settings, |_| Plan::Store);
    world.root[0] = Err(transport(TransportFault::Connect, Sent::Nothing));
    for number in 1..=20 {
        world.send(batch(number, &[doc(0, "a", number)]));
    }
    assert!(world.run(Duration::from_millis(100)));
    assert!((1..=20).all(|it| world.is_acked(it)));
    assert!(world.seen.iter().all(|it| it.host == 1));
    // It comes back and is used again.
    world.root[0] = Ok((200, ROOT_8));
    world.now_ns += 60 * SECOND;
    for number in 21..=40 {
        world.send(batch(number, &[doc(0, "a", number)]));
    }
    assert!(world.run(MINUTE));
    assert!(world.seen.iter().any(|it| it.host == 0));
}

#[test]
fn the_form_follows_the_version_of_each_host() {
    let settings = ShipSettings { hosts: 2, ..ShipSettings::default() };
    let mut world = World::with(settings, |seen| {
        let missing = "Validation Failed: 1: type is missing;";
        match (seen.host, seen.typed) {
            (0, true) | (1, false) => Plan::Store,
            (0, false) => whole(400, "action_request_validation_exception", missing),
            _ => whole(400, "illegal_argument_exception", "found extra data after parsing"),
        }
    });
    // The first was replaced by an older one since it told its version.
    world.root = vec![Ok((200, ROOT_8)), Ok((200, r#"{"version":{"number":"7.10.2"}}"#))];
    world.send(batch(1, &docs(3)));
    world.run(Duration::ZERO);
    world.root[0] = Ok((200, r#"{"version":{"number":"6.8.23"}}"#));
    assert!(world.run(MINUTE));
    world.now_ns += 60 * SECOND;
    for number in 2..=9 {
        world.send(batch(number, &[doc(0, "a", 1_000 + number)]));
    }
    assert!(world.run(MINUTE));
    assert!((1..=9).all(|it| world.is_acked(it)));
    assert!(world.letters.is_empty());
    assert!(world.seen.iter().any(|it| it.host == 0 && it.typed));
    assert!(world.seen.iter().all(|it| it.host == 0 || !it.typed));
}

#[test]
fn an_index_of_another_type_is_sent_to_by_its_own() {
    const OTHER: &str = "Rejecting mapping update to [b] as the final mapping would have more than \
                         1 type: [doc, fluentd]";
    let mut world = World::new(|seen| {
        let item = |it: &(String, String)| match (it.0.as_str(), seen.typing) {
            ("b", Typing::Configured) => Do::Fail(400, "illegal_argument_exception", OTHER),
            _ => Do::Store,
        };
        Plan::Items(seen.items.iter().map(item).collect())
    });
    world.root[0] = Ok((200, r#"{"version":{"number":"6.8.23"}}"#));
    let mixed = |from: u64| [doc(0, "a", from), doc(1, "b", from), doc(0, "a", from + 1)];
    // Of an earlier run, so its conflict is no news once the type is right.
    let there = doc(1, "b", 1);
    world.put(&there);
    world.send(batch(1, &mixed(1)));
    assert!(world.run(MINUTE));
    world.send(batch(2, &mixed(10)));
    assert!(world.run(MINUTE));
    assert!(world.is_acked(1) && world.is_acked(2) && world.letters.is_empty());
    assert!(mixed(10).iter().chain(&mixed(1)).all(|doc| world.holds(doc)));
    assert_eq!(world.mgets, 1, "the refusal was no attempt, so the conflict is looked at");
    // The first learns it from a refusal, the second parts the batch before.
    let sizes: Vec<_> = world.seen.iter().map(|it| (it.items.len(), it.typing)).collect();
    let (new, old) = (Typing::Configured, Typing::OfIndex);
    assert_eq!(sizes, [(3, new), (1, old), (2, new), (1, old)]);
}

#[test]
fn a_type_that_is_refused_even_so_pauses_its_index() {
    let refusal = "Rejecting mapping update to [a] as the final mapping would have more than 1 type: \
                   [doc, fluentd]";
    let mut world = World::new(move |seen| {
        let item = |_: &_| Do::Fail(400, "illegal_argument_exception", refusal);
        Plan::Items(seen.items.iter().map(item).collect())
    });
    world.root[0] = Ok((200, r#"{"version":{"number":"6.8.23"}}"#));
    world.send(batch(1, &docs(1)));
    world.run(Duration::from_millis(100));
    assert!(matches!(world.outcomes(1)[..], [Outcome::Paused { .. }]));
    assert_eq!(world.seen.len(), 2);
}

#[test]
fn a_server_that_keeps_its_version_is_taken_for_a_modern_one() {
    for root in [(401, ""), (403, ""), (404, ""), (200, "<html>")] {
        let mut world = World::new(|_| Plan::Store);
        world.root[0] = Ok(root);
        world.send(batch(1, &docs(3)));
        assert!(world.run(MINUTE));
        assert!(world.is_acked(1) && !world.seen[0].typed);
    }
    let old = ServerVersion { product: Product::Elasticsearch, major: 6 };
    let settings = ShipSettings { version_assumed: Some(old), ..ShipSettings::default() };
    let mut world = World::with(settings, |_| Plan::Store);
    world.root[0] = Ok((403, ""));
    world.send(batch(1, &docs(3)));
    assert!(world.run(MINUTE));
    assert!(world.seen[0].typed);
}

#[test]
fn a_long_outage_is_knocked_at_and_ended_by_a_slope() {
    let mut world = World::new(|seen| {
        if seen.at_ns < 600 * SECOND {
            whole(429, "es_rejected_execution_exception", "")
        } else {
            Plan::Store
        }
    });
    for number in 1..=16 {
        world.send(batch(number, &[doc(0, "a", number)]));
    }
    assert!(!world.run(Duration::from_secs(590)));
    let knocks = world.seen.len();
    assert!((20..120).contains(&knocks), "{knocks}");
    assert_eq!(world.shipper.counters().window.get(), 1);
    assert!(world.run(Duration::from_secs(70)));
    assert!((1..=16).all(|it| world.is_acked(it)));
    // Oldest first.
    let order: Vec<u64> = world.receipts.iter().map(|it| it.1.batch.0).collect();
    assert_eq!(order, (1..=16).collect::<Vec<_>>());
    assert!(world.shipper.counters().window.get() > 2);
    // Told at most once a minute.
    let told = world.warnings.iter().filter(|it| it.kind == WarningKind::HostFails).count();
    assert!((7..=11).contains(&told), "{told}");
}

#[test]
fn never_more_requests_than_allowed() {
    let settings = ShipSettings { requests_in_flight_max: 3, ..ShipSettings::default() };
    let mut world = World::with(settings, |_| Plan::Store);
    for number in 1..=100 {
        world.send(batch(number, &[doc(0, "a", number)]));
    }
    assert!(world.run(MINUTE));
    assert_eq!(world.in_flight_max, 3);
}

#[test]
fn a_size_that_is_always_too_much_for_the_heap_is_halved() {
    let limit = 300_000;
    let mut world = World::new(move |seen| match seen.bytes > limit {
        true => whole(429, "es_rejected_execution_exception", "coordinating operation"),
        false => Plan::Store,
    });
    let large = |it: u64| Doc { text: "x".repeat(20_000), ..doc(0, "a", it) };
    world.send(batch(1, &(0..50).map(large).collect::<Vec<_>>()));
    assert!(world.run(HOUR));
    assert!(world.is_acked(1) && world.stored.len() == 50);
}

#[test]
fn a_drain_ends_when_all_is_settled() {
    let mut world = World::new(first(3, whole(503, "", "")));
    world.send(batch(1, &docs(3)));
    world.later(MS, Input::Drain);
    world.run(Duration::from_millis(2));
    assert!(!world.shipper.is_drained());
    assert!(world.run(MINUTE));
    assert!(world.shipper.is_drained());
}
