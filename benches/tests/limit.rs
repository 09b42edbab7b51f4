//! The limit program delivers what it reads, to the byte that the agent would.

use sluice_bench::limit::{Codec, LimitConfig, run};
use sluice_bench::load::corpus::corpus_numbered;
use sluice_bench::standin::{Standin, StandinConfig};
use sluice_bench::verify::{compare, from_url};

#[test]
fn every_line_arrives_once_and_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("web-json.log");
    let (made, ledger) = corpus_numbered(&log, 3_000_000, 3, "bulk").expect("writes");
    for codec in [Codec::Gzip { level: 1 }, Codec::Stored] {
        let standin = Standin::start(StandinConfig::default()).expect("starts");
        let mut config = LimitConfig::new(&log, &standin.url());
        config.codec = codec;
        config.body_bytes = 500_000;
        let report = run(&config).expect("is taken");
        assert_eq!((report.lines, report.skipped, report.bytes_read), (made.lines, 0, made.bytes));
        let summary = standin.verify(&ledger);
        assert!(summary.is_clean() && summary.foreign == 0, "{summary}");
        assert_eq!(report.inflated_bytes, standin.snapshot().inflated_bytes);
        assert_eq!(standin.ids_seen_twice(), 0);

        let again = compare(&ledger, &from_url(&standin.url(), "sluice-*").expect("is read"));
        assert_eq!(again, summary);

        let repeated = run(&config);
        assert!(repeated.is_err(), "every item is a duplicate: {repeated:?}");
        assert!(standin.verify(&ledger).is_clean());
    }
}
