//! Whole files of every kind of line.

use proptest::prelude::*;

use super::oracle::{line, oracle};
use super::*;

fn file() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(line(), 0..12).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn events_are_those_of_a_naive_reader(file in file()) {
        let (expect, nuls, blank) = oracle(&file, 4 << 20);
        let got = decode(&file, 4 << 20, &[], Collect::default());
        prop_assert_eq!(got.events, expect);
        prop_assert_eq!((got.nuls, got.blank), (nuls, blank));
    }

    #[test]
    fn what_is_taken_apart_means_the_same_parsed(line in line()) {
        fuzzing::compare_paths(line.strip_suffix(b"\n").unwrap_or(&line));
    }

    #[test]
    fn nor_does_a_changed_byte_part_them(
        line in line(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut line = line;
        for (at, byte) in changes {
            if !line.is_empty() {
                let at = at.index(line.len());
                line[at] = byte;
            }
        }
        fuzzing::compare_paths(line.strip_suffix(b"\n").unwrap_or(&line));
    }

    #[test]
    fn events_do_not_depend_on_chunks_restarts_or_stops(
        file in file(),
        mut ends in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        event_bytes_max in prop_oneof![0..60_usize, Just(4 << 20)],
        stop in any::<bool>(),
        refuse in any::<bool>(),
    ) {
        let whole = decode(&file, event_bytes_max, &[], Collect::default());
        let mut ends: Vec<usize> = ends.drain(..).map(|end| end.index(file.len() + 1)).collect();
        ends.sort_unstable();
        let sink = Collect { stop, refuse, ..Collect::default() };
        let parts = decode(&file, event_bytes_max, &ends, sink);
        prop_assert_eq!(&whole.events, &parts.events);
        prop_assert_eq!((whole.nuls, whole.blank), (parts.nuls, parts.blank));
    }

    #[test]
    fn joined_events_are_bounded(file in file(), event_bytes_max in 0..100_usize) {
        let (expect, ..) = oracle(&file, event_bytes_max);
        let got = decode(&file, event_bytes_max, &[], Collect::default());
        prop_assert_eq!(got.events, expect);
    }
}

#[test]
fn a_chunk_may_end_at_every_byte() {
    let mut file = docker(b"one\n", "stdout", TIME);
    file.extend(docker(b"pie", "stdout", TIME));
    file.extend(docker(b"between\n", "stderr", "2026-11-25T08:59:05Z"));
    file.extend(docker(b"ce\n", "stdout", TIME));
    file.extend(b"\0\0\0\0{\"log\":\"to{\"log\":\"glued\\n\",\"stream\":\"stdout\"}\n\nraw \xff\n");
    file.extend(b"{\"log\":\"torn");
    let whole = events(&file);
    assert_eq!(whole.len(), 7);
    assert_eq!(whole, oracle(&file, 4 << 20).0);
    for end in 0..=file.len() {
        for stop in [false, true] {
            for refuse in [false, true] {
                let sink = Collect { stop, refuse, ..Collect::default() };
                assert_eq!(decode(&file, 4 << 20, &[end], sink).events, whole, "{end}");
            }
        }
    }
    let every: Vec<usize> = (0..file.len()).collect();
    assert_eq!(decode(&file, 4 << 20, &every, Collect::default()).events, whole);
}
