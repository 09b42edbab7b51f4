//! Processes that end with us: by their pid, politely first, also when we are killed ourselves.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};

/// How often a child that is about to end is asked for its status.
const POLL: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub(crate) struct TetherArguments {
    /// The command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

/// Becomes `command`, tied to the process that started us.
///
/// A verb of its own because the tie has to be made in the child: before `exec` in a forked process
/// only unsafe code may run, after it this does.
pub(crate) fn tether(arguments: &TetherArguments) -> Result<ExitCode> {
    end_with_parent()?;
    let (program, rest) = arguments.command.split_first().context("no command given")?;
    let error = Command::new(program).args(rest).exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}

/// From here on, also across `exec`, SIGTERM comes when the thread that started us is gone.
pub(crate) fn end_with_parent() -> Result<()> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::TERM)).context("prctl(PR_SET_PDEATHSIG)")?;
    // It may have died just before; then nobody would ever send the signal.
    anyhow::ensure!(getppid() == parent, "the parent process ended while we started");
    Ok(())
}

/// `program` as a command that is tied to this process.
pub(crate) fn tethered(program: impl Into<OsString>) -> Command {
    let mut command = Command::new(own_executable());
    command.arg("tether").arg("--").arg(program.into());
    command
}

/// This program, for as long as it runs, and also after a build has put another one at its path.
pub(crate) fn own_executable() -> PathBuf {
    PathBuf::from(format!("/proc/{}/exe", std::process::id()))
}

/// Where on `$PATH` a program is, as a shell would find it; root may lack the `sbin` directories.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let sbin = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(sbin)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// A child that is ended when this is dropped.
pub(crate) struct Running {
    name: String,
    child: Child,
    patience: Duration,
}

impl Running {
    /// `patience`: from SIGTERM to SIGKILL.
    pub(crate) fn start(name: &str, command: &mut Command, patience: Duration) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), child, patience })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `None` while it runs.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot wait for {}", self.name))
    }

    pub(crate) fn end(&mut self) -> Result<ExitStatus> {
        if self.ended()?.is_none() {
            self.signal(Signal::TERM)?;
        }
        let deadline = Instant::now() + self.patience;
        while Instant::now() < deadline {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            std::thread::sleep(POLL);
        }
        eprintln!("xtask: {} did not end in {:?} and is killed", self.name, self.patience);
        self.kill()
    }

    pub(crate) fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill().with_context(|| format!("cannot kill {}", self.name))?;
        self.child.wait().with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Safe against a pid used anew: our child keeps its pid until we have waited for it.
    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("xtask: {error:#}");
        }
    }
}
