//! The settings of the Elasticsearch output, as meant.

use std::fmt;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;

use super::checked::Reader;
use super::error::ConfigError;
use super::file;
use super::text::Text;
use super::units;
use super::values::{absolute, number};

#[derive(Clone, Debug, PartialEq)]
pub struct Elasticsearch {
    /// At least one; without a path's trailing `/`, user or query.
    pub hosts: Vec<Url>,
    pub credentials: Credentials,
    pub tls: Tls,
    pub server: Server,
    /// The mapping type in the URL path of Elasticsearch 6; other servers have none.
    pub mapping_type: String,
    /// Of one request, from connecting to the last byte of its answer.
    pub timeout: Duration,
    pub requests_in_flight_max: NonZeroUsize,
    pub when_refused: WhenRefused,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    None,
    Basic { user: String, password: SecretSource },
    ApiKey(SecretSource),
    Bearer(SecretSource),
}

/// A secret that may change while the agent runs: one in a file is read again by whoever is
/// refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    Given(Secret),
    File(PathBuf),
}

/// A text that no log and no message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A secret's file cannot be read, or holds nothing.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("cannot read the secret in {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the secret in {} is empty or no text", path.display())]
    Empty { path: PathBuf },
}

/// Files in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Trusted besides nothing else; without it the usual roots are.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate and key.
    pub client: Option<(PathBuf, PathBuf)>,
    pub verify: Verify,
}

/// Whether the server's certificate is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    #[default]
    Full,
    /// Anybody in between can read and answer.
    None,
}

/// What answers at the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Asked at the first connection.
    Auto,
    Given {
        family: Family,
        major: u32,
        minor: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Elasticsearch,
    OpenSearch,
}

/// What happens to lines whose target refuses for longer than a passing fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenRefused {
    /// They stay in their files until it takes them.
    Wait,
    DeadLetterAfter(Duration),
}

/// A worker never has more batches than this on their way, so more requests would idle.
const REQUESTS_IN_FLIGHT_LIMIT: usize = 256;
/// A secret is a line, not a file system.
const SECRET_BYTES_MAX: u64 = 64 << 10;

impl Secret {
    /// The one door to the text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

impl SecretSource {
    /// The secret as it is now. White space around a file's text does not belong to it.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let path = match self {
            Self::Given(secret) => return Ok(secret.clone()),
            Self::File(path) => path,
        };
        let unreadable = |source| SecretError::Unreadable { path: path.clone(), source };
        if fs::metadata(path).map_err(unreadable)?.len() > SECRET_BYTES_MAX {
            return Err(SecretError::Empty { path: path.clone() });
        }
        let bytes = fs::read(path).map_err(unreadable)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
        if text.is_empty() {
            return Err(SecretError::Empty { path: path.clone() });
        }
        Ok(Secret(text.to_owned()))
    }
}

pub(super) fn check(
    reader: &Reader<'_>,
    written: &file::Elasticsearch,
) -> Result<Elasticsearch, ConfigError> {
    let hosts = reader.values("output.elasticsearch.hosts", &written.hosts, host)?;
    if hosts.is_empty() {
        return Err(reader.combination(
            "the output `elasticsearch` has no hosts; set `output.elasticsearch.hosts`, \
             or give --hosts",
        ));
    }
    let in_flight = written.requests_in_flight_max.as_ref();
    Ok(Elasticsearch {
        hosts,
        credentials: credentials(reader, written)?,
        tls: tls(reader, written)?,
        server: reader
            .value("output.elasticsearch.server", written.server.as_ref(), server)?
            .unwrap_or(Server::Auto),
        mapping_type: reader
            .value("output.elasticsearch.type", written.r#type.as_ref(), mapping_type)?
            .unwrap_or_else(|| "_doc".to_owned()),
        timeout: reader
            .value("output.elasticsearch.timeout", written.timeout.as_ref(), positive)?
            .unwrap_or(Duration::from_mins(1)),
        requests_in_flight_max: reader
            .value("output.elasticsearch.requests_in_flight_max", in_flight, |text| {
                number(text, 1..=REQUESTS_IN_FLIGHT_LIMIT)
            })?
            .and_then(NonZeroUsize::new)
            .unwrap_or(const { NonZeroUsize::new(4).unwrap() }),
        when_refused: when_refused(reader, written.when_refused.as_ref())?,
    })
}

fn credentials(
    reader: &Reader<'_>,
    written: &file::Elasticsearch,
) -> Result<Credentials, ConfigError> {
    let password = secret(
        reader,
        ("output.elasticsearch.password", written.password.as_ref()),
        ("output.elasticsearch.password_file", written.password_file.as_ref()),
    )?;
    let api_key = secret(
        reader,
        ("output.elasticsearch.api_key", written.api_key.as_ref()),
        ("output.elasticsearch.api_key_file", written.api_key_file.as_ref()),
    )?;
    let bearer = secret(
        reader,
        ("output.elasticsearch.bearer", None),
        ("output.elasticsearch.bearer_file", written.bearer_file.as_ref()),
    )?;
    let user = reader
        .value("output.elasticsearch.user", written.user.as_ref(), |text| Ok(text.to_owned()))?;
    match (user, password, api_key, bearer) {
        (None, None, None, None) => Ok(Credentials::None),
        (Some(user), Some(password), None, None) => Ok(Credentials::Basic { user, password }),
        (None, None, Some(key), None) => Ok(Credentials::ApiKey(key)),
        (None, None, None, Some(token)) => Ok(Credentials::Bearer(token)),
        (Some(_), None, None, None) => Err(reader.combination(
            "`output.elasticsearch.user` has no password; set `password` or `password_file`",
        )),
        (None, Some(_), None, None) => {
            Err(reader.combination("`output.elasticsearch.password` has no user; set `user`"))
        }
        _ => Err(reader.combination(
            "`output.elasticsearch` has several credentials; keep one of `user` with a password, \
             `api_key` and `bearer_file`",
        )),
    }
}

type Written<'a> = (&'static str, Option<&'a Text>);

/// One secret, in the file or beside it. One that cannot be read now is an error now.
fn secret(
    reader: &Reader<'_>,
    (key, given): Written<'_>,
    (file_key, file): Written<'_>,
) -> Result<Option<SecretSource>, ConfigError> {
    if given.is_some() && file.is_some() {
        return Err(reader.combination(format!("`{key}` and `{file_key}` are both set; keep one")));
    }
    if let Some(text) = given {
        let value = reader.expanded(key, text)?;
        if value.is_empty() {
            let expected = "expected a secret that is not empty".to_owned();
            return Err(reader.misfit(key, text.spot, value, expected));
        }
        return Ok(Some(SecretSource::Given(Secret(value))));
    }
    let Some(path) = reader.value(file_key, file, absolute)? else { return Ok(None) };
    let source = SecretSource::File(path);
    match (source.read(), file) {
        (Ok(_), _) | (_, None) => Ok(Some(source)),
        (Err(SecretError::Unreadable { path, source }), Some(text)) => {
            let place = text.spot.place(reader.path);
            Err(ConfigError::FileUnreadable { place, key: file_key, path, source })
        }
        (Err(SecretError::Empty { path }), Some(text)) => {
            let expected = "expected a file that holds the secret as text".to_owned();
            Err(reader.misfit(file_key, text.spot, path.display().to_string(), expected))
        }
    }
}

fn tls(reader: &Reader<'_>, written: &file::Elasticsearch) -> Result<Tls, ConfigError> {
    let ca = readable(reader, "output.elasticsearch.ca_file", written.ca_file.as_ref())?;
    let cert = readable(reader, "output.elasticsearch.cert_file", written.cert_file.as_ref())?;
    let key = readable(reader, "output.elasticsearch.key_file", written.key_file.as_ref())?;
    let client = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        _ => {
            return Err(reader.combination(
                "`output.elasticsearch.cert_file` and `key_file` go together; set both or none",
            ));
        }
    };
    let verify = reader.choice(
        "output.elasticsearch.verify",
        written.verify.as_ref(),
        &[("full", Verify::Full), ("none", Verify::None)],
    )?;
    Ok(Tls { ca_file: ca, client, verify: verify.unwrap_or_default() })
}

fn readable(
    reader: &Reader<'_>,
    key: &'static str,
    text: Option<&Text>,
) -> Result<Option<PathBuf>, ConfigError> {
    let (Some(path), Some(text)) = (reader.value(key, text, absolute)?, text) else {
        return Ok(None);
    };
    match open(&path) {
        Ok(()) => Ok(Some(path)),
        Err(source) => {
            let place = text.spot.place(reader.path);
            Err(ConfigError::FileUnreadable { place, key, path, source })
        }
    }
}

/// A directory opens too, so the file is asked for a byte.
fn open(path: &Path) -> io::Result<()> {
    io::Read::read(&mut fs::File::open(path)?, &mut [0]).map(|_| ())
}

fn host(text: &str) -> Result<Url, String> {
    const EXPECTED: &str = "expected a URL like https://elasticsearch:9200, or a name and port";
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url = Url::parse(&with_scheme).map_err(|_| EXPECTED)?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(EXPECTED.to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("expected no credentials in the URL; they belong into `user` and \
                    `password_file`, where no log shows them"
            .to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("expected a URL without a query".to_owned());
    }
    if !text.contains("://") && url.port().is_none() {
        url.set_port(Some(9200)).map_err(|()| EXPECTED)?;
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn server(text: &str) -> Result<Server, String> {
    if text == "auto" {
        return Ok(Server::Auto);
    }
    let given = || {
        let (family, version) = text.split_once('-')?;
        let family = match family {
            "elasticsearch" => Family::Elasticsearch,
            "opensearch" => Family::OpenSearch,
            _ => return None,
        };
        let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
        let major = numbers.next()??;
        let minor = numbers.next().unwrap_or(Some(0))?;
        Some(Server::Given { family, major, minor })
    };
    given().ok_or_else(|| "expected auto, or like elasticsearch-6.8 or opensearch-2".to_owned())
}

fn mapping_type(text: &str) -> Result<String, String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if !text.is_empty() && text.bytes().all(legal) {
        return Ok(text.to_owned());
    }
    Err("expected a name of letters, digits, `_`, `-` and `.`".to_owned())
}

fn positive(text: &str) -> Result<Duration, String> {
    let time = units::duration(text)?;
    if time.is_zero() { Err("expected more than nothing".to_owned()) } else { Ok(time) }
}

fn when_refused(
    reader: &Reader<'_>,
    written: Option<&file::WhenRefused>,
) -> Result<WhenRefused, ConfigError> {
    const KEY: &str = "output.elasticsearch.when_refused";
    const KEY_AFTER: &str = "output.elasticsearch.when_refused.dead_letter_after";
    let given = match written {
        None => None,
        Some(file::WhenRefused::Word(word)) => {
            reader.value(KEY, Some(word), |text| match text {
                "wait" => Ok(WhenRefused::Wait),
                _ => Err("expected wait, or `dead_letter_after` with a time".to_owned()),
            })?
        }
        Some(file::WhenRefused::Map(map)) => reader
            .value(KEY_AFTER, Some(&map.dead_letter_after), units::duration)?
            .map(WhenRefused::DeadLetterAfter),
    };
    Ok(given.unwrap_or(WhenRefused::Wait))
}
