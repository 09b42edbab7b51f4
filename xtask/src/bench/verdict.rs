//! What a bench found, beside the marks it has to reach.

use serde::Serialize;

use super::figure::Figure;

/// One measured number with its mark.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    pub(super) mark: Option<Mark>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mark {
    AtLeast(f64),
    AtMost(f64),
}

impl Mark {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(mark) => value >= mark,
            Self::AtMost(mark) => value <= mark,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) bench: &'static str,
    /// What was measured, in words.
    pub(super) definition: String,
    pub(super) findings: Vec<Finding>,
    /// Every single run, for whoever doubts the medians.
    pub(super) runs: Vec<serde_json::Value>,
    #[serde(skip)]
    pub(super) figure: Option<Figure>,
}

impl Verdict {
    pub(super) fn holds(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.mark.is_none_or(|mark| mark.holds(finding.value)))
    }

    pub(super) fn print(&self) {
        println!("\n{}: {}", self.bench, self.definition);
        let width = self.findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
        for Finding { name, value, unit, mark } in &self.findings {
            let digits = if *value < 10.0 { 3 } else { 1 };
            let beside = match mark {
                None => String::new(),
                Some(mark) => {
                    let word = if mark.holds(*value) { "reached" } else { "NOT REACHED" };
                    match mark {
                        Mark::AtLeast(mark) => format!("   at least {mark}: {word}"),
                        Mark::AtMost(mark) => format!("   at most {mark}: {word}"),
                    }
                }
            };
            println!("  {name:<width$}  {value:>10.digits$} {unit:<12}{beside}");
        }
    }
}

/// 0 for none.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let check = |values: &[f64], expect: f64| {
            assert!((median(values.iter().copied()) - expect).abs() < 1e-9, "{values:?}");
        };
        check(&[], 0.0);
        check(&[3.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 2.0, 3.0], 2.5);
    }

    #[test]
    fn a_mark_that_is_met_exactly_holds() {
        assert!(Mark::AtLeast(0.75).holds(0.75) && !Mark::AtLeast(0.75).holds(0.749));
        assert!(Mark::AtMost(64.0).holds(64.0) && !Mark::AtMost(64.0).holds(64.1));
    }
}
