//! `sluice check`

use serde_json::json;
use sluice::config::{Config, Output, Profile};

use super::exit::Code;
use super::{ExitError, Form, print};

/// Says what the configuration means. That it is right is known by now.
pub(super) fn check(config: &Config, form: Form) -> Result<(), ExitError> {
    let (output, hosts) = match &config.output {
        Output::Console => ("console", Vec::new()),
        Output::Elasticsearch(settings) => {
            ("elasticsearch", settings.hosts.iter().map(ToString::to_string).collect())
        }
    };
    if form.json {
        return print::json(&json!({
            "right": true,
            "node": config.node,
            "state_dir": config.state_dir,
            "workers": config.workers,
            "output": output,
            "profile": config.profile.map(Profile::as_str),
            "remarks": config.remarks.iter().map(|remark| &remark.text).collect::<Vec<_>>(),
            "hosts": hosts,
        }));
    }
    let to = if hosts.is_empty() { String::new() } else { format!(" at {}", hosts.join(", ")) };
    let profile = config.profile.map_or_else(String::new, |profile| {
        format!("profile    log-pilot, {}\n", profile.as_str())
    });
    let notes = config.remarks.iter().flat_map(|remark| ["note       ", &remark.text, "\n"]);
    let remarks: String = notes.collect();
    print::text(&format!(
        "the configuration is right\n\
         node       {}\n\
         state_dir  {}\n\
         workers    {}\n\
         output     {output}{to}\n\
         {profile}{remarks}",
        config.node.as_deref().unwrap_or("(asked of the machine)"),
        config.state_dir.display(),
        config.workers,
    ))
}

/// Whether the output answers, with the credentials that it is given.
pub(super) fn reach(config: &Config) -> Result<(), ExitError> {
    match &config.output {
        Output::Console => Ok(()),
        Output::Elasticsearch(output) => {
            let settings = sluice::agent::elasticsearch_settings(config, output);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| ExitError::new(Code::Unavailable, error))?;
            match runtime.block_on(sluice::ship::elasticsearch::check(&settings)) {
                Ok(_) => Ok(()),
                Err(error) => Err(ExitError::new(Code::Unavailable, error)),
            }
        }
    }
}
