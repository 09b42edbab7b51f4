//! What can be wrong with log-pilot's environment.

/// Each message names the variable or file, and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PilotError {
    /// log-pilot itself says `InvalidPilotType`.
    #[error("PILOT_TYPE: `{value}` is no profile; expected fluentd or filebeat")]
    Type { value: String },
    /// Said as log-pilot says it.
    #[error("{variable} required; set it in the agent's environment")]
    Required { variable: &'static str },
    #[error("{variable}: `{value}` does not fit; {expected}")]
    Value { variable: &'static str, value: String, expected: String },
    /// An output of log-pilot that is not built yet.
    #[error(
        "{variable}={output}: sluice has no output `{output}`, so nothing was started; keep \
         log-pilot for it, or set {variable}=elasticsearch and ELASTICSEARCH_HOSTS"
    )]
    AbsentOutput { variable: &'static str, output: &'static str },
    #[error(
        "{} cannot be honoured: templates and settings of fluentd or Filebeat have no meaning \
         here; move what they change into the configuration (docs/log-pilot.md), and take the \
         mounts away or set SLUICE_IGNORE_TEMPLATES=true",
        paths.join(", ")
    )]
    Templates { paths: Vec<String> },
    /// `/run/secrets/es_credential` is there and cannot be used.
    #[error("{path}: {what}; expected one line, user:password")]
    Credential { path: &'static str, what: String },
    #[error(
        "ELASTICSEARCH_HOSTS: its URLs hold different users or passwords; sluice has one for all \
         hosts, so give it in ELASTICSEARCH_USER and ELASTICSEARCH_PASSWORD"
    )]
    Credentials,
}
