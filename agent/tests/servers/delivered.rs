//! The plain way: written, killed in between, searched, and sent again with the state lost.

use sluice_bench::load::{Kind, Stream};

use super::common::{IN_TIME, wait_until};
use super::logs::{DAY, Logs, expect_exactly_once};
use super::mapping;
use super::server::Server;

const KINDS: [(&str, Kind, u64); 6] = [
    ("web", Kind::Access, 800),
    ("shop", Kind::Mixed, 800),
    ("json", Kind::Json, 400),
    ("long", Kind::Long, 40),
    ("binary", Kind::Binary, 300),
    ("i18n", Kind::MultiByte, 300),
];

pub(super) fn check(server: &Server) -> u64 {
    let mut logs = Logs::sending_to(&server.url);
    logs.station.node.set("batch.bytes", "64KiB");
    let mut writers: Vec<_> = KINDS
        .iter()
        .map(|(name, kind, lines)| (logs.container(name, "delivered", *kind), *lines))
        .collect();
    logs.station.launch();
    // In three parts, with a kill while each of the first two is under way.
    for part in 1..=3 {
        let before = server.count("delivered-*");
        for (writer, lines) in &mut writers {
            writer.lines(Stream::Stdout, *lines / 3);
            writer.lines(Stream::Stderr, *lines / 12);
        }
        if part < 3 {
            logs.await_count(server, "delivered-*", before + 1);
            logs.station.kill();
            logs.station.launch();
        }
    }
    let ledger = logs.ledger();
    logs.await_count(server, "delivered-*", ledger.lines());
    logs.station.await_idle(IN_TIME);
    logs.station.stop();
    expect_exactly_once(server, "delivered-*", &ledger);
    mapping::check(server, &format!("delivered-{DAY}"));

    // The same ids, whatever became of the state.
    logs.station.forget_everything();
    logs.station.start();
    let again = || logs.station.metric("sluice_ship_documents_total", &[]) as u64 >= ledger.lines();
    assert!(wait_until(IN_TIME, again), "{}", logs.station.tail());
    logs.station.await_idle(IN_TIME);
    assert_eq!(logs.station.metric("sluice_generations_total", &[]), 0.0, "new ids were made");
    logs.station.stop();
    expect_exactly_once(server, "delivered-*", &ledger);
    ledger.lines()
}
