//! A process's table of mounts (proc(5), `/proc/<pid>/mountinfo`).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The mount that a descriptor was opened through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MountLine {
    /// Where it stands in the container.
    pub(super) point: PathBuf,
    /// The upper directory of an overlay, as the host names it.
    pub(super) upper: Option<PathBuf>,
}

impl MountLine {
    /// Finds mount `id` in the text of `/proc/<pid>/mountinfo`.
    pub(super) fn find(table: &str, id: u64) -> Option<Self> {
        let wanted = id.to_string();
        table.lines().find_map(|line| {
            let mut fields = line.split(' ');
            if fields.next() != Some(&wanted) {
                return None;
            }
            let point = plain(fields.nth(3)?);
            let mut rest = fields.skip_while(|field| *field != "-").skip(1);
            let (kind, _, options) = (rest.next()?, rest.next()?, rest.next()?);
            let upper = options.split(',').find_map(|option| option.strip_prefix("upperdir="));
            let upper = upper.filter(|_| kind == "overlay").map(plain);
            Some(Self { point, upper })
        })
    }
}

/// Where something is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPoint {
    pub point: PathBuf,
    /// `tmpfs`, `ext4`.
    pub kind: String,
}

/// All of a table.
pub fn mount_points(table: &str) -> impl Iterator<Item = MountPoint> {
    table.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let point = plain(fields.nth(4)?);
        let kind = fields.skip_while(|field| *field != "-").nth(1)?.to_owned();
        Some(MountPoint { point, kind })
    })
}

/// Blanks and backslashes stand there as octal numbers.
fn plain(field: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&byte, more)) = rest.split_first() {
        let digits = more.first_chunk::<3>().filter(|_| byte == b'\\');
        let code = digits.and_then(|digits| {
            let digits = str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { &more[3..] } else { more };
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_id() {
        let table = "\
100 99 0:50 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/d/a\\040b/diff,workdir=/d/w
101 100 0:51 / /proc rw - proc proc rw
1010 100 8:1 /v/_data /da\\134ta rw shared:1 master:2 - ext4 /dev/vda rw
";
        let find = |id| MountLine::find(table, id);
        let line = |point: &str, upper: Option<&str>| {
            Some(MountLine { point: point.into(), upper: upper.map(PathBuf::from) })
        };
        assert_eq!(find(100), line("/", Some("/d/a b/diff")));
        assert_eq!(find(101), line("/proc", None));
        assert_eq!(find(1010), line("/da\\ta", None));
        assert_eq!(find(10), None);
    }
}
