//! `sluice doctor`: how this machine suits the agent, each part with its reason and its mend.

mod machine;
mod rungs;

use anstyle::AnsiColor;
use serde_json::json;
use sluice::config::{Config, Files, Output};
use sluice::core::{Finding, Verdict};
use sluice::{agent, checkpoint, discover, read, watch};

use super::exit::Code;
use super::{ExitError, Form, check, print};

/// Looks at everything and prints it. Ends with code 69 if something is broken.
pub(super) fn doctor(config: &Config, form: Form) -> Result<(), ExitError> {
    let mut findings = machine::probe();
    findings.push(read::probe());
    findings.push(watch::probe());
    findings.push(rungs::kernel(config));
    findings.extend(rungs::mounts(config));
    findings.extend(discover::probe(&agent::docker_settings(&config.docker)));
    if config.collect.files != Files::Off {
        findings.push(discover::opens::probe(&agent::host(config)));
    }
    findings.push(checkpoint::probe(&config.state_dir));
    findings.push(output(config));
    let worst = findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok);
    if form.json {
        print::json(&json!({ "verdict": worst, "findings": findings }))?;
    } else {
        print::text(&table(&findings, worst))?;
    }
    if worst == Verdict::Broken {
        return Err(ExitError::new(Code::Unavailable, "something is broken here, see above"));
    }
    Ok(())
}

fn output(config: &Config) -> Finding {
    const WHAT: &str = "output";
    let Output::Elasticsearch(settings) = &config.output else {
        return Finding::ok(WHAT, "console");
    };
    let hosts: Vec<String> = settings.hosts.iter().map(ToString::to_string).collect();
    match check::reach(config) {
        Ok(()) => Finding::ok(WHAT, format!("elasticsearch answers at {}", hosts.join(", "))),
        // Lines wait in their files meanwhile, so nothing is lost yet.
        Err(error) => Finding::broken(
            WHAT,
            error.to_string(),
            "see `output.elasticsearch` of the configuration, and `sluice check`",
        ),
    }
}

fn table(findings: &[Finding], worst: Verdict) -> String {
    let width = findings.iter().map(|finding| finding.what.len()).max().unwrap_or(0);
    let lines = |Finding { what, verdict, found, mend }: &Finding| {
        let verdict = print::coloured(verdict.as_str(), colour(*verdict), 8);
        let line = format!("{what:width$}  {verdict}  {found}\n");
        let mend = mend.as_ref().map(|mend| format!("{:width$}  {:8}  mend: {mend}\n", "", ""));
        line + &mend.unwrap_or_default()
    };
    let text: String = findings.iter().map(lines).collect();
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (degraded, broken) = (count(Verdict::Degraded), count(Verdict::Broken));
    let summary = match worst {
        Verdict::Ok => "all is well".to_owned(),
        _ => format!("{degraded} degraded, {broken} broken"),
    };
    text + &format!("\n{summary}\n")
}

fn colour(verdict: Verdict) -> AnsiColor {
    match verdict {
        Verdict::Ok => AnsiColor::Green,
        Verdict::Degraded => AnsiColor::Yellow,
        Verdict::Broken => AnsiColor::Red,
    }
}
