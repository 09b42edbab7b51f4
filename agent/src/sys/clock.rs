//! Whether somebody keeps the clock right.

use std::time::Duration;

/// The kernel's estimate of how far the clock may be off; `None` if nobody keeps it.
pub fn clock_error() -> Option<Duration> {
    // SAFETY: all fields are integers, for which zeros are legal; `modes` of 0 only asks.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: it points to a whole `timex` that lives until the call has ended.
    let result = unsafe { libc::adjtimex(&raw mut state) };
    let is_kept = result >= 0 && result != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0;
    is_kept.then(|| Duration::from_micros(state.maxerror.unsigned_abs()))
}
