//! What a table asks: was there a signal?

use std::io;
use std::path::Path;
use std::time::Duration;

/// One way of learning that a file has news.
pub trait Signal {
    /// As it stands above the table and in the record.
    fn name(&self) -> &str;

    /// From here on, and until the next call, this is the file that counts.
    ///
    /// It exists, and its descriptor need not be held: it is not removed before the next call.
    fn follow(&mut self, file: &Path) -> io::Result<()>;

    /// What came up to now does not count.
    fn forget(&mut self) -> io::Result<()>;

    /// Whether the followed file was signalled since [`Signal::forget`], waiting for it as long as
    /// `patience`.
    fn seen(&mut self, patience: Duration) -> io::Result<bool>;
}
