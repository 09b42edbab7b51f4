//! Names of fields, made fit for Elasticsearch.

use std::borrow::Cow;

/// A name that is one field: a dot would make an object of it, and the object clash with a field.
/// What is empty, or blank, would be refused together with its document.
pub fn flat_name(name: &str) -> Cow<'_, str> {
    if name.trim().is_empty() {
        Cow::Borrowed("_")
    } else if name.contains('.') {
        Cow::Owned(name.replace('.', "_"))
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |name: &str, expect: &str| assert_eq!(flat_name(name), expect);
        check("a", "a");
        check("a.b..c", "a_b__c");
        check(".", "_");
        check("", "_");
        check(" \t", "_");
    }
}
