//! Verdicts on items: each by its class, whatever stands beside it.

use std::time::Duration;

use super::world::*;
use crate::ship::*;

const REJECTED: Do = Do::Fail(429, "es_rejected_execution_exception", "queue");
const MAPPING: Do = Do::Fail(400, "mapper_parsing_exception", "failed to parse");
const SHARDS: Do = Do::Fail(503, "unavailable_shards_exception", "no copies");
const BLOCK: Do = Do::Fail(403, "cluster_block_exception", "[FORBIDDEN/8/index write (api)]");
const MINUTE: Duration = Duration::from_secs(60);

/// Fails what the first request asked for as planned, and nothing after that.
fn once(plan: Vec<Do>) -> impl FnMut(&Seen) -> Plan {
    let mut plan = Some(plan);
    move |_| plan.take().map_or(Plan::Store, Plan::Items)
}

#[test]
fn all_mixes_of_five_items() {
    // Stored before by an earlier run: answered 409.
    let conflict = Do::Store;
    let kinds = [Do::Store, conflict, REJECTED, MAPPING, SHARDS];
    let docs: Vec<Doc> = (0..5).map(|it| doc(it % 2, "a", it as u64 * 10)).collect();
    for mix in 0..kinds.len().pow(5) {
        let digits: Vec<usize> = (0..5).map(|at| mix / kinds.len().pow(at) % 5).collect();
        let plan = digits.iter().map(|it| kinds[*it].clone()).collect();
        let mut world = World::new(once(plan));
        for (doc, digit) in docs.iter().zip(&digits) {
            if *digit == 1 {
                world.put(doc);
            }
        }
        world.send(batch(1, &docs));
        assert!(world.run(MINUTE), "mix {digits:?}");
        assert!(world.is_acked(1), "mix {digits:?}");
        for (doc, digit) in docs.iter().zip(&digits) {
            let letters = world.letters.iter().filter(|it| it.0 == id(doc)).count();
            let expect = usize::from(*digit == 3);
            assert_eq!((letters, world.holds(doc)), (expect, *digit != 3), "mix {digits:?}");
            // Only what was refused for now is sent again.
            let sent = world.seen.iter().flat_map(|it| &it.items).filter(|it| it.1 == id(doc));
            let expect = if matches!(digit, 2 | 4) { 2 } else { 1 };
            assert_eq!(sent.count(), expect, "mix {digits:?}");
        }
        let conflicts = digits.iter().filter(|it| **it == 1).count();
        assert_eq!(world.mgets, usize::from(conflicts > 0), "mix {digits:?}");
    }
}

#[test]
fn a_refusing_index_pauses_its_slices_alone() {
    let is_blocked = |at_ns: u64| at_ns < 12 * SECOND;
    let mut world = World::new(move |seen| {
        let item = |it: &(String, String)| match it.0.as_str() {
            "closed" if is_blocked(seen.at_ns) => BLOCK,
            _ => Do::Store,
        };
        Plan::Items(seen.items.iter().map(item).collect())
    });
    world.rewinds = true;
    let docs = [doc(0, "open", 0), doc(1, "closed", 0), doc(0, "open", 9), doc(1, "open", 9)];
    world.send(batch(1, &docs));
    world.run(Duration::from_millis(100));
    let outcomes = world.outcomes(1);
    assert_eq!(outcomes[0], Outcome::Acked);
    let Outcome::Paused { index, until_mono_ns } = &outcomes[1] else { panic!("{outcomes:?}") };
    assert_eq!(&**index, "closed");
    let pause = until_mono_ns - world.now_ns;
    assert!((300 * MS..=SECOND).contains(&pause), "{pause}");
    assert_eq!(world.shipper.health(world.now()).paused.len(), 1);

    // While it lasts nothing is sent there, and other indices are not held up.
    let before = world.seen.len();
    world.send(batch(2, &[doc(2, "closed", 0)]));
    world.send(batch(3, &[doc(3, "open", 0)]));
    world.run(Duration::from_millis(5));
    assert_eq!(world.seen.len(), before + 1);
    assert!(matches!(world.outcomes(2)[2], Outcome::Paused { .. }));
    assert!(world.is_acked(3));

    assert!(world.run(MINUTE));
    assert!(docs.iter().all(|it| world.holds(it)));
    assert!(world.now_ns > 12 * SECOND && world.now_ns < 30 * SECOND);
    assert!(world.letters.is_empty());
    assert_eq!(world.shipper.health(world.now()).paused, []);
    // 1, 2, 4, 8 s with jitter, for two batches: few knocks.
    assert!(world.seen.len() < 25, "{}", world.seen.len());
    let refused = &ByReason { reason: "refused" };
    assert!(world.shipper.counters().pauses.get_or_create(refused).get() >= 4);
}

#[test]
fn items_refused_for_now_pause_after_three_tries() {
    let mut world = World::new(|seen| {
        let item = |it: &(String, String)| if it.0 == "busy" { REJECTED } else { Do::Store };
        Plan::Items(seen.items.iter().map(item).collect())
    });
    world.send(batch(1, &[doc(0, "busy", 0), doc(1, "idle", 0)]));
    assert!(world.run(Duration::from_secs(3)));
    assert!(matches!(world.outcomes(1)[0], Outcome::Paused { .. }));
    assert_eq!(world.outcomes(1)[1], Outcome::Acked);
    assert_eq!(world.seen.iter().map(|it| it.items.len()).collect::<Vec<_>>(), [2, 1, 1]);
    assert_eq!(world.shipper.counters().items_retried.get(), 2);
}

#[test]
fn an_item_without_status_is_sent_again() {
    let mut world = World::new(once(vec![Do::Fail(0, "", ""), Do::Store]));
    world.send(batch(1, &[doc(0, "a", 0), doc(0, "a", 1)]));
    assert!(world.run(MINUTE));
    assert_eq!(world.seen[1].items.len(), 1);
    assert!(world.is_acked(1));
}

#[test]
fn dead_letters_are_acknowledged_only_when_written() {
    let mut world = World::new(|_| Plan::Items(vec![MAPPING, Do::Store]));
    world.letter_result = Err(LetterFailure::Full);
    world.send(batch(1, &[doc(0, "a", 0), doc(1, "b", 0)]));
    assert!(world.run(MINUTE));
    assert!(matches!(&world.outcomes(1)[0], Outcome::Paused { index, .. } if &**index == "a"));
    assert_eq!(world.outcomes(1)[1], Outcome::Acked);
    assert_eq!(world.shipper.counters().dead_letter_failures.get(), 1);
    assert!(world.warnings.iter().any(|it| it.kind == WarningKind::DeadLetterStoreFails));

    world.letter_result = Ok(());
    world.run(MINUTE);
    world.now_ns += 60 * SECOND;
    world.send(batch(2, &[doc(0, "a", 0)]));
    assert!(world.run(MINUTE));
    assert!(world.is_acked(2));
    assert_eq!(world.letters.len(), 1);
}

#[test]
fn a_target_that_stays_shut_goes_to_the_dead_letters_by_policy() {
    let after = Duration::from_secs(20);
    let when_refused = WhenRefused::DeadLetter { after };
    let settings = ShipSettings { when_refused, ..ShipSettings::default() };
    let closed = Do::Fail(400, "index_closed_exception", "closed");
    let mut world = World::with(settings, move |_| Plan::Items(vec![closed.clone()]));
    world.rewinds = true;
    world.send(batch(1, &[doc(0, "yesterday", 0)]));
    assert!(world.run(MINUTE));
    assert_eq!(world.letters, [(id(&doc(0, "yesterday", 0)), PoisonReason::TargetRefused)]);
    assert!(world.now_ns >= 21 * SECOND, "{}", world.now_ns);
    assert_eq!(world.receipts.last().expect("some").1.outcomes, [Outcome::Acked]);
}

#[test]
fn an_overloaded_index_never_goes_to_the_dead_letters() {
    let when_refused = WhenRefused::DeadLetter { after: Duration::from_secs(1) };
    let settings = ShipSettings { when_refused, ..ShipSettings::default() };
    let mut world = World::with(settings, |seen| {
        if seen.at_ns < 100 * SECOND { Plan::Items(vec![REJECTED]) } else { Plan::Store }
    });
    world.rewinds = true;
    world.send(batch(1, &[doc(0, "a", 0)]));
    assert!(world.run(Duration::from_secs(600)));
    assert!(world.letters.is_empty());
    assert!(world.holds(&doc(0, "a", 0)));
}

#[test]
fn an_empty_batch_has_its_receipt_at_once() {
    let mut world = World::new(|_| Plan::Store);
    world.send(batch(1, &[]));
    assert!(world.run(MINUTE));
    assert_eq!(world.outcomes(1), []);
    assert_eq!((world.seen.len(), world.probes), (0, 0));
}

#[test]
fn a_dead_letter_is_written_once_though_its_slice_is_read_again() {
    let mut world = World::new(|seen| {
        let item = |it: &(String, String)| match it.0.as_str() {
            "closed" if seen.at_ns < 30 * SECOND => BLOCK,
            "poisoned" => MAPPING,
            _ => Do::Store,
        };
        Plan::Items(seen.items.iter().map(item).collect())
    });
    world.rewinds = true;
    world.send(batch(1, &[doc(0, "poisoned", 0), doc(0, "closed", 5), doc(0, "open", 9)]));
    assert!(world.run(MINUTE));
    assert_eq!(world.letters, [(id(&doc(0, "poisoned", 0)), PoisonReason::Mapping)]);
    assert_eq!(world.stored.len(), 2);
    assert!(world.receipts.len() > 2);
}
