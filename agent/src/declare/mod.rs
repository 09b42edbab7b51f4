//! takes: env, labels, config
//! gives: what a container asks for
//! owns:  the declaration language
//! never: evaluates a value; lets one bad declaration hurt another
//!
//! So far it understands what `collect.stdout` needs: opting out, and `<prefix>_logs_<name>=stdout`
//! as log-pilot has it. Paths inside containers come with the drop-in.

mod declaration;

use crate::discover::Container;

pub use declaration::{Declaration, Declared, LogSource, Problem, Written};

/// Prefixes of declarations, in env names and labels.
const PREFIXES: [&str; 2] = ["sluice", "aliyun"];

/// A label or variable with this name and the value `false` keeps a container's output at home.
const OPT_OUT_LABEL: &str = "sluice.collect";
const OPT_OUT_ENV: &str = "SLUICE_COLLECT";

/// What a container says of its stdout and stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stdout {
    /// Nothing.
    Undeclared,
    /// To be collected under this name, which is the target's.
    Declared(String),
    /// Not to be collected.
    OptedOut,
}

/// Reads the declarations of a container. A label counts before a variable, as in log-pilot.
pub fn stdout(container: &Container) -> Stdout {
    let is_false = |value: &str| matches!(value.trim(), "false" | "0" | "no" | "off");
    let label = container.labels.get(OPT_OUT_LABEL).map(String::as_str);
    let variable = container.env.iter().find(|(name, _)| name == OPT_OUT_ENV);
    if label.or(variable.map(|(_, value)| value.as_str())).is_some_and(is_false) {
        return Stdout::OptedOut;
    }
    let labels = container.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let env = container.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut names = labels.chain(env).filter_map(|(name, value)| declared(name, value));
    let Some(name) = names.next() else { return Stdout::Undeclared };
    Stdout::Declared(target(container, &name).unwrap_or(name))
}

/// The log's name in `aliyun_logs_catalina=stdout` or the label `aliyun.logs.catalina=stdout`.
fn declared(name: &str, value: &str) -> Option<String> {
    if value.trim() != "stdout" {
        return None;
    }
    let log = PREFIXES.iter().find_map(|prefix| {
        let rest = name.strip_prefix(prefix)?;
        rest.strip_prefix("_logs_").or_else(|| rest.strip_prefix(".logs."))
    })?;
    let plain = !log.is_empty() && !log.contains(['.', '/']);
    plain.then(|| log.to_owned())
}

/// `<prefix>_logs_<name>_target`, if the container names one.
fn target(container: &Container, log: &str) -> Option<String> {
    PREFIXES.iter().find_map(|prefix| {
        let label = container.labels.get(&format!("{prefix}.logs.{log}.target"));
        let name = format!("{prefix}_logs_{log}_target");
        let variable = container.env.iter().find(|(other, _)| *other == name);
        label.or(variable.map(|(_, value)| value)).filter(|value| !value.is_empty()).cloned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(env: &[(&str, &str)], labels: &[(&str, &str)], expect: &Stdout) {
        let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        let container = Container {
            env: own(env),
            labels: own(labels).into_iter().collect(),
            ..Container::default()
        };
        assert_eq!(stdout(&container), *expect, "{env:?} {labels:?}");
    }

    #[test]
    fn declarations() {
        let named = |name: &str| Stdout::Declared(name.to_owned());
        check(&[], &[], &Stdout::Undeclared);
        check(&[("aliyun_logs_catalina", "stdout")], &[], &named("catalina"));
        check(&[("sluice_logs_web", "stdout")], &[], &named("web"));
        check(&[], &[("aliyun.logs.web", "stdout")], &named("web"));
        check(&[("aliyun_logs_access", "/logs/*.log")], &[], &Stdout::Undeclared);
        check(
            &[("aliyun_logs_web", "stdout"), ("aliyun_logs_web_target", "shop")],
            &[],
            &named("shop"),
        );
        check(&[("SLUICE_COLLECT", "false")], &[], &Stdout::OptedOut);
        check(&[("sluice_logs_a", "stdout")], &[("sluice.collect", "false")], &Stdout::OptedOut);
    }
}
