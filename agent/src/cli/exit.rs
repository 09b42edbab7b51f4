//! How the program ends when it does not end well.

use std::fmt;
use std::io;
use std::process::ExitCode;

use clap::error::ErrorKind;
use sluice::checkpoint::{LockError, Store, StoreError};
use sluice::config::ConfigError;
use sluice::observe::control::{ControlError, SocketError};
use sluice::observe::http::ListenError;

/// From sysexits.h, so that init systems and scripts can tell what may mend itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Clean = 0,
    /// The running agent says that it is not well; what a probe expects.
    Unwell = 1,
    /// The command line is wrong.
    Usage = 64,
    /// Something that is needed is not there: the agent to ask, the server, the port.
    Unavailable = 69,
    /// A bug of this program.
    Bug = 70,
    /// Will pass by itself: another agent holds the state directory.
    Temporary = 75,
    /// Somebody has to change the configuration or the machine's set-up.
    Config = 78,
}

/// A code and what a person has to know, which names the thing, the place and the way out.
#[derive(Debug)]
pub(crate) struct ExitError {
    code: Code,
    message: Message,
}

#[derive(Debug)]
enum Message {
    Text(String),
    /// Clap's own, which knows colours and which stream it belongs to.
    Usage(Box<clap::Error>),
    /// Whoever read our output has gone; nobody is left to be told.
    Silent,
}

impl ExitError {
    pub(crate) fn new(code: Code, message: impl fmt::Display) -> Self {
        Self { code, message: Message::Text(message.to_string()) }
    }

    pub(super) fn of_usage(error: clap::Error) -> Self {
        let code = match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Code::Clean,
            _ => Code::Usage,
        };
        Self { code, message: Message::Usage(Box::new(error)) }
    }

    /// Of a write to standard output. A closed pipe is how `head` says "enough".
    pub(super) fn of_print(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { code: Code::Clean, message: Message::Silent };
        }
        Self::new(Code::Unavailable, format_args!("cannot write to standard output: {error}"))
    }

    #[cfg(test)]
    pub(super) fn code(&self) -> Code {
        self.code
    }

    /// Tells the person and gives the code.
    pub(crate) fn report(&self) -> ExitCode {
        match &self.message {
            Message::Text(text) => {
                use std::io::Write;
                // A closed standard error takes no complaint either.
                let _ = writeln!(io::stderr(), "sluice: {text}");
            }
            Message::Usage(error) => {
                let _ = error.print();
            }
            Message::Silent => {}
        }
        ExitCode::from(self.code as u8)
    }
}

impl fmt::Display for ExitError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Message::Text(text) => out.write_str(text),
            Message::Usage(error) => error.fmt(out),
            Message::Silent => Ok(()),
        }
    }
}

impl From<ConfigError> for ExitError {
    fn from(error: ConfigError) -> Self {
        Self::new(Code::Config, error)
    }
}

impl From<ControlError> for ExitError {
    fn from(error: ControlError) -> Self {
        Self::new(Code::Unavailable, error)
    }
}

impl From<ListenError> for ExitError {
    fn from(error: ListenError) -> Self {
        Self::new(Code::Unavailable, error)
    }
}

impl From<SocketError> for ExitError {
    fn from(error: SocketError) -> Self {
        let code = match error {
            SocketError::Taken { .. } => Code::Temporary,
            SocketError::Unusable { .. } => Code::Config,
        };
        Self::new(code, error)
    }
}

impl From<LockError> for ExitError {
    fn from(error: LockError) -> Self {
        let code = match error {
            LockError::Held { .. } => Code::Temporary,
            LockError::Unwritable { .. } => Code::Config,
        };
        Self::new(code, error)
    }
}

impl From<StoreError> for ExitError {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Newer { .. } => Code::Config,
            StoreError::Damaged { .. } | StoreError::Unusable { .. } => Code::Unavailable,
        };
        Self::new(code, error)
    }
}

/// A panic on any thread ends the program: with one worker gone the others would go on and look
/// well. The exception is a thread that opens a damaged store, which the store itself catches.
pub(crate) fn report_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if Store::guards_this_thread() {
            return;
        }
        default(panic);
        let text = "this is a bug in sluice, please report it with the lines above; positions \
                    are safe, and a restart goes on from them";
        ExitError::new(Code::Bug, text).report();
        std::process::exit(i32::from(Code::Bug as u8));
    }));
}
