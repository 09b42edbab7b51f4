//! The servers whose answers are imitated, and in what they differ.

use std::fmt;
use std::str::FromStr;

/// Each variant stands for the release whose answers were recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 6.8.23
    Elasticsearch6,
    /// 7.17.29
    Elasticsearch7,
    /// 8.19.21
    Elasticsearch8,
    /// 9.5.3
    Elasticsearch9,
    /// 1.3.20
    OpenSearch1,
    /// 2.19.6
    OpenSearch2,
    /// 3.9.0
    OpenSearch3,
}

/// What a server makes of `_type` in an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Types {
    Required,
    Allowed,
    Refused,
}

impl Version {
    pub const ALL: [Self; 7] = [
        Self::Elasticsearch6,
        Self::Elasticsearch7,
        Self::Elasticsearch8,
        Self::Elasticsearch9,
        Self::OpenSearch1,
        Self::OpenSearch2,
        Self::OpenSearch3,
    ];

    pub fn number(self) -> &'static str {
        match self {
            Self::Elasticsearch6 => "6.8.23",
            Self::Elasticsearch7 => "7.17.29",
            Self::Elasticsearch8 => "8.19.21",
            Self::Elasticsearch9 => "9.5.3",
            Self::OpenSearch1 => "1.3.20",
            Self::OpenSearch2 => "2.19.6",
            Self::OpenSearch3 => "3.9.0",
        }
    }

    pub fn is_opensearch(self) -> bool {
        matches!(self, Self::OpenSearch1 | Self::OpenSearch2 | Self::OpenSearch3)
    }

    /// Elasticsearch 8 and 9: answers without a charset, bulk answers chunked, `errors` first.
    pub fn is_recent_elasticsearch(self) -> bool {
        matches!(self, Self::Elasticsearch8 | Self::Elasticsearch9)
    }

    pub fn types(self) -> Types {
        match self {
            Self::Elasticsearch6 => Types::Required,
            Self::Elasticsearch7 | Self::OpenSearch1 => Types::Allowed,
            _ => Types::Refused,
        }
    }

    /// An action that is not one of the four is skipped without an item by the older servers.
    pub fn skips_unknown_actions(self) -> bool {
        matches!(self, Self::Elasticsearch6 | Self::Elasticsearch7 | Self::OpenSearch1)
    }

    pub fn content_type(self) -> &'static str {
        if self.is_recent_elasticsearch() {
            "application/json"
        } else {
            "application/json; charset=UTF-8"
        }
    }

    /// The header by which a server names itself; not sent with 413, 417 and cluster blocks.
    pub fn product_header(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Elasticsearch7 | Self::Elasticsearch8 | Self::Elasticsearch9 => {
                Some(("x-elastic-product", "Elasticsearch"))
            }
            Self::OpenSearch3 => Some(("x-opensearch-version", "OpenSearch/3.9.0 (opensearch)")),
            _ => None,
        }
    }

    /// Type of a document that cannot be parsed or does not fit the mapping.
    pub fn mapping_error(self) -> &'static str {
        if self.is_recent_elasticsearch() {
            "document_parsing_exception"
        } else {
            "mapper_parsing_exception"
        }
    }

    pub fn rejection(self) -> &'static str {
        if self.is_opensearch() {
            "rejected_execution_exception"
        } else {
            "es_rejected_execution_exception"
        }
    }

    /// Values of `compatible-with` that are taken; none: such a content type is unknown (406).
    pub fn compatible_with(self) -> &'static [u32] {
        match self {
            Self::Elasticsearch7 => &[7, 8, 9],
            Self::Elasticsearch8 => &[7, 8],
            Self::Elasticsearch9 => &[8, 9],
            _ => &[],
        }
    }

    /// The answer to `GET /`.
    pub fn greeting(self) -> String {
        let (lucene, wire, index) = match self {
            Self::Elasticsearch6 => ("7.7.3", "5.6.0", "5.0.0"),
            Self::Elasticsearch7 => ("8.11.3", "6.8.0", "6.0.0-beta1"),
            Self::Elasticsearch8 => ("9.12.2", "7.17.0", "7.0.0"),
            Self::Elasticsearch9 => ("10.5.1", "8.19.0", "8.0.0"),
            Self::OpenSearch1 => ("8.10.1", "6.8.0", "6.0.0-beta1"),
            Self::OpenSearch2 => ("9.12.3", "7.10.0", "7.0.0"),
            Self::OpenSearch3 => ("10.5.1", "2.19.0", "2.0.0"),
        };
        let number = self.number();
        let (brand, tagline) = if self.is_opensearch() {
            (
                format!(r#""distribution":"opensearch","number":"{number}","#),
                "The OpenSearch Project: https://opensearch.org/",
            )
        } else {
            (format!(r#""number":"{number}","build_flavor":"default","#), "You Know, for Search")
        };
        format!(
            r#"{{"name":"standin","cluster_name":"standin","cluster_uuid":"standin-sluice-bench00","version":{{{brand}"build_type":"tar","build_hash":"0000000","build_date":"2026-01-01T00:00:00Z","build_snapshot":false,"lucene_version":"{lucene}","minimum_wire_compatibility_version":"{wire}","minimum_index_compatibility_version":"{index}"}},"tagline":"{tagline}"}}"#
        )
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let product = if self.is_opensearch() { "opensearch" } else { "elasticsearch" };
        write!(f, "{product}-{}", self.number())
    }
}

impl FromStr for Version {
    type Err = String;

    /// Takes `7.17.29`, `elasticsearch-7.17.29`, `opensearch-2.19.6`, or the major alone as in
    /// `elasticsearch-8`, `opensearch-3`, `9`.
    fn from_str(text: &str) -> Result<Self, String> {
        let major = |version: &Self| {
            let full = version.to_string();
            full[..full.find('.').expect("a version has dots")].to_owned()
        };
        Self::ALL
            .into_iter()
            .find(|version| {
                text == version.to_string()
                    || text == version.number()
                    || text == major(version)
                    || format!("elasticsearch-{text}") == major(version)
            })
            .ok_or_else(|| {
                let known: Vec<String> = Self::ALL.iter().map(ToString::to_string).collect();
                format!("unknown server {text}; known are {}", known.join(", "))
            })
    }
}
