//! Paragraphs of an index of Debian packages.

use anyhow::{Context, Result};

/// The fields that are asked for here, of `Packages` or of what `apt-cache show` prints.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stanza {
    pub(super) package: String,
    /// Names only, of `Depends` and `Pre-Depends`; of alternatives all.
    pub(super) depends: Vec<String>,
    /// On the mirror.
    pub(super) filename: String,
    pub(super) sha256: String,
}

/// The first paragraph: `apt-cache` gives the version first that would be installed.
pub(super) fn first(text: &str) -> Result<Stanza> {
    let paragraph = text.trim_start().split("\n\n").next().unwrap_or_default();
    let field = |name: &str| {
        let lines = paragraph.lines().filter(|line| !line.starts_with([' ', '\t']));
        lines
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    };
    let needed = |name: &str| {
        field(name).map(str::to_owned).with_context(|| format!("no field {name} in:\n{paragraph}"))
    };
    let depends = ["Pre-Depends", "Depends"].into_iter().filter_map(field).flat_map(names);
    Ok(Stanza {
        package: needed("Package")?,
        depends: depends.collect(),
        filename: needed("Filename")?,
        sha256: needed("SHA256")?,
    })
}

/// Of `a (= 1), b | c:any`.
fn names(relation: &str) -> impl Iterator<Item = String> {
    relation.split([',', '|']).filter_map(|one| {
        let name = one.trim().split([' ', '(', ':']).next()?;
        (!name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
Package: linux-image-amd64
Version: 7.3.4-1
Pre-Depends: linux-base (>= 4.17~)
Depends: linux-image-7.3.4+deb13-amd64 (= 7.3.4-1), dracut | initramfs-tools:any (>= 0.1)
Description: Linux
 Depends: not this one
Filename: pool/main/l/linux-image-amd64_7.3.4-1_amd64.deb
SHA256: 0d0d

Package: linux-image-amd64
Filename: older.deb
SHA256: 1e1e
";

    #[test]
    fn the_first_paragraph_counts() {
        let expect = Stanza {
            package: "linux-image-amd64".into(),
            depends: ["linux-base", "linux-image-7.3.4+deb13-amd64", "dracut", "initramfs-tools"]
                .map(str::to_owned)
                .to_vec(),
            filename: "pool/main/l/linux-image-amd64_7.3.4-1_amd64.deb".into(),
            sha256: "0d0d".into(),
        };
        assert_eq!(first(TEXT).unwrap(), expect);
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = first("Package: a\nFilename: b\n").unwrap_err().to_string();
        assert!(error.starts_with("no field SHA256"), "{error}");
        assert!(first("").is_err());
    }
}
