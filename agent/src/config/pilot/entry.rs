//! The names under which the program is called.

use std::ffi::OsString;
use std::path::Path;

/// How the program was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Entry {
    /// By its own name, or as the image's entry point with a verb of ours.
    #[default]
    Sluice,
    /// As `/pilot/entrypoint`, the way log-pilot's image starts.
    Entrypoint,
    /// As `/pilot/healthz`, log-pilot's probe.
    Healthz,
}

/// Flags of log-pilot's program; each has a value, and what they say is fixed in its image.
const FLAGS: [&str; 3] = ["base", "template", "log-level"];

impl Entry {
    /// The first argument is the program's name.
    pub fn of(arguments: &[OsString]) -> Self {
        let mut arguments = arguments.iter();
        let name = arguments.next().map_or(Path::new(""), Path::new);
        let verb = arguments.next().filter(|it| !it.to_string_lossy().starts_with('-'));
        match verb {
            None if name.ends_with("pilot/entrypoint") => Self::Entrypoint,
            _ if name.ends_with("pilot/healthz") => Self::Healthz,
            _ => Self::Sluice,
        }
    }

    /// The command line as `sluice` takes it.
    pub fn rewrite(self, arguments: Vec<OsString>) -> Vec<OsString> {
        match self {
            Self::Sluice => arguments,
            Self::Healthz => vec!["sluice".into(), "healthz".into()],
            Self::Entrypoint => {
                let own = without_flags(arguments.into_iter().skip(1));
                ["sluice".into(), "run".into()].into_iter().chain(own).collect()
            }
        }
    }
}

/// Go takes `-flag value`, `-flag=value`, and two dashes for one.
fn without_flags(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut is_value = false;
    for argument in arguments {
        if std::mem::take(&mut is_value) {
            continue;
        }
        let text = argument.to_string_lossy();
        let name = text.trim_start_matches('-');
        let bare = name.split('=').next().unwrap_or(name);
        if text.starts_with('-') && FLAGS.contains(&bare) {
            is_value = !name.contains('=');
            continue;
        }
        kept.push(argument);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, entry: Entry, rewritten: &str) {
        let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        assert_eq!(Entry::of(&arguments), entry, "{line}");
        let line: Vec<_> = Entry::of(&arguments).rewrite(arguments);
        let line: Vec<_> = line.iter().map(|it| it.to_string_lossy()).collect();
        assert_eq!(line.join(" "), rewritten);
    }

    #[test]
    fn names_choose_the_verb() {
        use Entry::*;
        check("/usr/bin/sluice", Sluice, "/usr/bin/sluice");
        check("sluice run --node n", Sluice, "sluice run --node n");
        check("/pilot/entrypoint", Entrypoint, "sluice run");
        check(
            "/pilot/entrypoint -base /host -template /pilot/fluentd.tpl -log-level debug",
            Entrypoint,
            "sluice run",
        );
        check("/pilot/entrypoint --base=/host --node n", Entrypoint, "sluice run --node n");
        check("/pilot/entrypoint version --json", Sluice, "/pilot/entrypoint version --json");
        check("/pilot/healthz", Healthz, "sluice healthz");
        check("/pilot/healthz -v", Healthz, "sluice healthz");
        check("/opt/entrypoint", Sluice, "/opt/entrypoint");
    }
}
