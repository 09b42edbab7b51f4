//! Apache's error log, with the fields of fluentd 1.2's parser `apache_error`.

use super::access::Cursor;
use super::members::Members;

/// `[Wed Oct 11 14:32:52 2000] [error] [pid 1] [client 127.0.0.1] message`. The name of the day
/// is left out of the time.
pub(super) fn apache(text: &str, members: &mut Members) -> Option<()> {
    let mut line = Cursor::new(text);
    line.take("[")?;
    line.until(' ')?;
    members.string("time", line.until(']')?);
    line.take(" [")?;
    members.string("level", line.until(']')?);
    for name in ["pid", "client"] {
        if line.take(&format!(" [{name} ")).is_some() {
            members.string(name, line.until(']')?);
        }
    }
    line.take(" ")?;
    members.string("message", line.rest());
    Some(())
}
