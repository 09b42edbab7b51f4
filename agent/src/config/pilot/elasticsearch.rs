//! Where Elasticsearch is and who asks, as log-pilot's variables say it.

use super::table::ELASTICSEARCH;
use super::{Filling, PilotError};
use crate::config::file::{Elasticsearch, Texts};
use crate::config::text::Text;

const SECRET: &str = "/run/secrets/es_credential";
const PORT_DEFAULT: &str = "9200";

/// User and password, and where they were found.
type Credential = (&'static str, String, String);

pub(super) fn fill(filling: &mut Filling<'_>) -> Result<(), PilotError> {
    let of_profile = filling.profile.mapping_type();
    let written = filling.written.output.elasticsearch.get_or_insert_default();
    if written.r#type.is_none() {
        written.r#type = Some(Text::of_variable(super::OF_PROFILE, of_profile));
    }
    let mut credential = None;
    if written.hosts.0.is_empty() {
        let (hosts, of_urls) = hosts(filling)?;
        let written = filling.written.output.elasticsearch.get_or_insert_default();
        written.hosts = hosts;
        credential = of_urls;
    }
    if !has_credentials(filling.written.output.elasticsearch.get_or_insert_default()) {
        let found = match credential {
            None => given(filling)?,
            of_urls => of_urls,
        };
        if let Some((source, user, password)) = found {
            let written = filling.written.output.elasticsearch.get_or_insert_default();
            written.user = Some(Text::of_variable(source, &user));
            written.password = Some(Text::of_variable(source, &password));
        }
    }
    filling.group(&ELASTICSEARCH)
}

fn has_credentials(written: &Elasticsearch) -> bool {
    let Elasticsearch { user, password, password_file, api_key, api_key_file, bearer_file, .. } =
        written;
    [user, password, password_file, api_key, api_key_file, bearer_file]
        .iter()
        .any(|text| text.is_some())
}

/// The file goes before the variables.
fn given(filling: &Filling<'_>) -> Result<Option<Credential>, PilotError> {
    match filling.place.read(SECRET) {
        Ok(text) => {
            let line = text.trim_end_matches(['\r', '\n']);
            // Only the first colon: log-pilot cuts a password at the second.
            let (user, password) = line
                .split_once(':')
                .filter(|(user, password)| !user.is_empty() && !password.is_empty())
                .ok_or_else(|| PilotError::Credential {
                    path: SECRET,
                    what: "it holds no user with a password".to_owned(),
                })?;
            Ok(Some((SECRET, user.to_owned(), password.to_owned())))
        }
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {
            let user = filling.variable("ELASTICSEARCH_USER");
            let password = filling.variable("ELASTICSEARCH_PASSWORD");
            match (user, password) {
                (None, None) => Ok(None),
                (Some(user), Some(password)) => {
                    Ok(Some(("ELASTICSEARCH_USER", user.to_owned(), password.to_owned())))
                }
                (Some(_), None) => Err(PilotError::Required { variable: "ELASTICSEARCH_PASSWORD" }),
                (None, Some(_)) => Err(PilotError::Required { variable: "ELASTICSEARCH_USER" }),
            }
        }
        Err(fault) => Err(PilotError::Credential { path: SECRET, what: fault.to_string() }),
    }
}

fn hosts(filling: &Filling<'_>) -> Result<(Texts, Option<Credential>), PilotError> {
    const LIST: &str = "ELASTICSEARCH_HOSTS";
    let required =
        |name: &'static str| filling.variable(name).ok_or(PilotError::Required { variable: name });
    let scheme = match filling.variable("ELASTICSEARCH_SCHEME") {
        Some(scheme @ ("http" | "https")) => scheme,
        None => "http",
        Some(other) => {
            return Err(PilotError::Value {
                variable: "ELASTICSEARCH_SCHEME",
                value: other.to_owned(),
                expected: "expected http or https".to_owned(),
            });
        }
    };
    let path = filling.variable("ELASTICSEARCH_PATH").unwrap_or_default();
    let path = path.trim_matches('/');
    let Some(list) = filling.variable(LIST) else {
        let (host, port) = (required("ELASTICSEARCH_HOST")?, required("ELASTICSEARCH_PORT")?);
        super::read("ELASTICSEARCH_PORT", super::Takes::Port, port)?;
        // Some write the scheme here; log-pilot's fluentd took it as part of the name.
        let (scheme, host) = host.split_once("://").unwrap_or((scheme, host));
        let url = format!("{scheme}://{host}:{port}/{path}");
        return Ok((Texts(vec![Text::of_variable("ELASTICSEARCH_HOST", &url)]), None));
    };
    let port = filling.variable("ELASTICSEARCH_PORT").unwrap_or(PORT_DEFAULT);
    let mut urls = Vec::new();
    let mut users = Vec::new();
    for entry in list.split(',').map(|it| it.trim().trim_matches('"')).filter(|it| !it.is_empty()) {
        let (url, user) = if let Some((scheme, rest)) = entry.split_once("://") {
            let (user, rest) =
                rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
            let has_path = rest.split_once('/').is_some_and(|(_, path)| !path.is_empty());
            let rest = rest.trim_end_matches('/');
            let tail = if has_path { String::new() } else { format!("/{path}") };
            (format!("{scheme}://{rest}{tail}"), user.map(userinfo))
        } else {
            let has_port = entry.rsplit_once(':').is_some_and(|(_, port)| {
                !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
            });
            let port = if has_port { String::new() } else { format!(":{port}") };
            (format!("{scheme}://{entry}{port}/{path}"), None)
        };
        urls.push(Text::of_variable(LIST, &url));
        users.push(user);
    }
    if urls.is_empty() {
        return Err(PilotError::Required { variable: LIST });
    }
    if users.iter().any(|user| *user != users[0]) {
        return Err(PilotError::Credentials);
    }
    let credential = users.swap_remove(0).map(|(user, password)| (LIST, user, password));
    Ok((Texts(urls), credential))
}

/// `user:password`, with `%xx` for what a URL does not take, or each as `%{…}`, in which fluentd's
/// plugin takes everything as it stands.
fn userinfo(text: &str) -> (String, String) {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let plain = |part: &str| match part.strip_prefix("%{").and_then(|it| it.strip_suffix('}')) {
        Some(literal) => literal.to_owned(),
        None => decoded(part),
    };
    (plain(user), plain(password))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = behind.get(..2).filter(|_| *first == b'%');
        let code = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
