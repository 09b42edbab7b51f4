//! Which server it is, from `GET /`.

use serde::Deserialize;

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    Elasticsearch,
    OpenSearch,
}

/// Product and major version: all that the form of a request depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerVersion {
    pub product: Product,
    pub major: u32,
}

impl ServerVersion {
    /// The form that every server since Elasticsearch 7 takes.
    pub const MODERN: Self = Self { product: Product::Elasticsearch, major: 8 };

    /// Whether the action needs a type, which is then named in the path. Elasticsearch 7 and
    /// `OpenSearch` 1 take it or leave it; later ones refuse it.
    pub fn needs_type(self) -> bool {
        self.product == Product::Elasticsearch && self.major <= 6
    }

    /// Reads the answer of `GET /`. With `compatibility.override_main_response_version` an
    /// `OpenSearch` calls itself 7.10.2 and names no distribution; the form is the same.
    pub(super) fn parse(body: &[u8]) -> Option<(Self, String)> {
        #[derive(Deserialize)]
        struct Root {
            version: Version,
        }
        #[derive(Deserialize)]
        struct Version {
            number: String,
            distribution: Option<String>,
        }
        let Root { version } = serde_json::from_slice(body).ok()?;
        let product = match version.distribution.as_deref() {
            Some("opensearch") => Product::OpenSearch,
            _ => Product::Elasticsearch,
        };
        let major = version.number.split('.').next()?.parse().ok()?;
        Some((Self { product, major }, version.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expect: Option<(Product, u32, bool)>) {
        let version = ServerVersion::parse(body.as_bytes());
        let seen = version.map(|(it, _)| (it.product, it.major, it.needs_type()));
        assert_eq!(seen, expect, "{body}");
    }

    #[test]
    fn servers_are_told_apart() {
        use Product::*;
        check(r#"{"version":{"number":"6.8.23"}}"#, Some((Elasticsearch, 6, true)));
        check(r#"{"version":{"number":"7.10.2"}}"#, Some((Elasticsearch, 7, false)));
        check(r#"{"version":{"number":"9.5.3"},"tagline":""}"#, Some((Elasticsearch, 9, false)));
        check(
            r#"{"version":{"distribution":"opensearch","number":"3.9.0"}}"#,
            Some((OpenSearch, 3, false)),
        );
        check(
            r#"{"version":{"distribution":"opensearch","number":"1.3.20"}}"#,
            Some((OpenSearch, 1, false)),
        );
        check("<html>", None);
        check(r#"{"version":{"number":"x"}}"#, None);
        check("{}", None);
    }
}
