//! 409: when it is an acknowledgement, when it is asked about, and when the file needs new ids.

use std::time::Duration;

use super::world::*;
use crate::ship::*;

const MINUTE: Duration = Duration::from_secs(60);

fn conflicts(world: &World, kind: &'static str) -> u64 {
    world.shipper.counters().conflicts.get_or_create(&ByKind { kind }).get()
}

#[test]
fn ids_of_an_earlier_run_are_believed_unseen() {
    let mut world = World::new(|_| Plan::Store);
    let docs = [doc(0, "a", 0), doc(0, "a", 10)];
    docs.iter().for_each(|it| world.put(it));
    let mut sealed = batch(1, &docs);
    sealed.slices[0].believed_below = 11;
    world.send(sealed);
    assert!(world.run(MINUTE));
    assert!(world.is_acked(1));
    assert_eq!((world.mgets, conflicts(&world, "earlier_run")), (0, 2));
    assert_eq!(world.shipper.counters().conflicts_on_first_attempt.get(), 0);
}

#[test]
fn the_answer_that_was_lost_is_believed() {
    for sent in [Sent::Part, Sent::All] {
        let mut first = true;
        let mut world = World::new(move |_| match std::mem::take(&mut first) {
            true => {
                let error = transport(TransportFault::Deadline, sent);
                Plan::Fail { stored: true, error }
            }
            false => Plan::Store,
        });
        world.send(batch(1, &[doc(0, "a", 0), doc(0, "a", 10)]));
        assert!(world.run(MINUTE));
        assert!(world.is_acked(1));
        assert_eq!((world.mgets, conflicts(&world, "resent")), (0, 2));
    }
}

#[test]
fn a_request_that_never_left_proves_nothing() {
    let mut first = true;
    let mut world = World::new(move |_| match std::mem::take(&mut first) {
        true => {
            let error = transport(TransportFault::Connect, Sent::Nothing);
            Plan::Fail { stored: false, error }
        }
        false => Plan::Store,
    });
    world.put(&doc(0, "a", 0));
    world.send(batch(1, &[doc(0, "a", 0)]));
    assert!(world.run(MINUTE));
    assert!(world.is_acked(1));
    assert_eq!((world.mgets, conflicts(&world, "compared_same")), (1, 1));
}

#[test]
fn a_rewound_source_is_believed_by_its_mark() {
    let mut world = World::new(|_| Plan::Store);
    let docs = [doc(0, "a", 0), doc(0, "a", 10)];
    world.send(batch(1, &docs));
    assert!(world.run(MINUTE));
    let mut again = batch(2, &docs);
    again.slices[0].epoch.0 = 1;
    world.send(again);
    assert!(world.run(MINUTE));
    assert!(world.is_acked(2));
    assert_eq!((world.mgets, conflicts(&world, "resent")), (0, 2));
}

#[test]
fn after_a_lost_state_one_comparison_proves_the_file() {
    let mut world = World::new(|_| Plan::Store);
    let old: Vec<Doc> = (0..40).map(|it| doc(it % 2, "a", it as u64 * 10)).collect();
    old.iter().for_each(|it| world.put(it));
    world.send(batch(1, &old[..20]));
    assert!(world.run(MINUTE));
    world.send(batch(2, &old[20..]));
    world.send(batch(3, &[doc(0, "a", 1_000)]));
    assert!(world.run(MINUTE));
    assert!((1..=3).all(|it| world.is_acked(it)));
    assert_eq!((world.mgets, world.stored.len()), (1, 41));
    // One for each file, which answers for the first batch; and the second without a question.
    assert_eq!((conflicts(&world, "compared_same"), conflicts(&world, "verified")), (2, 38));
    assert_eq!(world.shipper.counters().documents_acked.get(), 41);
}

#[test]
fn another_document_under_the_id_is_a_collision_of_that_file_alone() {
    let mut world = World::new(|_| Plan::Store);
    let theirs = Doc { text: "somebody else's".into(), ..doc(0, "a", 10) };
    world.put(&theirs);
    let docs = [doc(0, "a", 0), doc(1, "a", 10), doc(0, "a", 10), doc(0, "a", 20)];
    world.send(batch(1, &docs));
    assert!(world.run(MINUTE));
    assert_eq!(world.outcomes(1), [Outcome::Collided, Outcome::Acked]);
    assert!(world.holds(&theirs));
    assert_eq!(world.shipper.counters().collisions.get(), 1);
    assert!(world.warnings.iter().any(|it| it.kind == WarningKind::Collided));

    // Nothing was proven, so the next conflict of the file is compared as well.
    world.put(&Doc { text: "again".into(), ..doc(0, "a", 30) });
    world.send(batch(2, &[doc(0, "a", 30)]));
    assert!(world.run(MINUTE));
    assert_eq!(world.outcomes(2), [Outcome::Collided]);
}

#[test]
fn a_conflict_with_nothing_is_sent_again() {
    let mut first = true;
    let mut world = World::new(move |_| match std::mem::take(&mut first) {
        true => Plan::Items(vec![Do::Fail(409, "version_conflict_engine_exception", "exists")]),
        false => Plan::Store,
    });
    world.send(batch(1, &[doc(0, "a", 0)]));
    assert!(world.run(MINUTE));
    assert!(world.is_acked(1) && world.holds(&doc(0, "a", 0)));
    assert_eq!((world.mgets, conflicts(&world, "vanished")), (1, 1));
}

#[test]
fn a_question_that_is_not_answered_pauses_and_still_proves_nothing() {
    let mut world = World::new(|_| Plan::Store);
    world.mget_status = 403;
    world.put(&doc(0, "a", 0));
    world.send(batch(1, &[doc(0, "a", 0), doc(1, "b", 0)]));
    assert!(world.run(MINUTE));
    assert!(matches!(world.outcomes(1)[0], Outcome::Paused { .. }));
    assert_eq!(world.outcomes(1)[1], Outcome::Acked);
    assert_eq!(world.mgets, 3);

    // The source has rewound. That it was sent before, in vain, is no reason to believe.
    world.mget_status = 200;
    world.now_ns += 60 * SECOND;
    world.stored.insert(("a".into(), id(&doc(0, "a", 0))), serde_json::json!({"message": "x"}));
    world.send(batch(2, &[doc(0, "a", 0)]));
    assert!(world.run(MINUTE));
    assert_eq!(world.outcomes(2), [Outcome::Collided]);
}
