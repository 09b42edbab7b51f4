//! Which content types are taken: the rules of each version.

use super::errors::ApiError;
use super::version::Version;

/// Judges the headers of a request that has a body.
pub(super) fn judge(
    version: Version,
    content_type: Option<&str>,
    accept: Option<&str>,
) -> Result<(), ApiError> {
    let content_type = content_type.unwrap_or_default();
    let unsupported =
        || ApiError::new(406, "", format!("Content-Type header [{content_type}] is not supported"));
    let mut parts = content_type.split(';').map(str::trim);
    let base = parts.next().unwrap_or_default().to_ascii_lowercase();
    let has_parameters = content_type.contains(';');
    match base.as_str() {
        "application/json" => {}
        "application/x-ndjson" if has_parameters && version == Version::Elasticsearch6 => {
            return Err(unsupported());
        }
        "application/x-ndjson" => {}
        "application/vnd.elasticsearch+json" | "application/vnd.elasticsearch+x-ndjson" => {
            let known = version.compatible_with();
            if known.is_empty() {
                return Err(unsupported());
            }
            if !compatible_with(content_type).is_some_and(|asked| known.contains(&asked)) {
                return Err(mismatch());
            }
        }
        _ => return Err(unsupported()),
    }
    let is_plain = !base.starts_with("application/vnd.");
    let accepts_version = accept.is_some_and(|accept| compatible_with(accept).is_some());
    if is_plain && accepts_version && version.is_recent_elasticsearch() {
        return Err(mismatch());
    }
    Ok(())
}

fn compatible_with(header: &str) -> Option<u32> {
    let (_, number) = header.split_once("compatible-with=")?;
    number.trim().parse().ok()
}

fn mismatch() -> ApiError {
    ApiError::new(
        400,
        "media_type_header_exception",
        "Invalid media-type value on headers [Accept, Content-Type]",
    )
    .caused_by(
        "status_exception",
        "A compatible version is required on both Content-Type and Accept headers",
    )
}
