//! The agent as a process.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{SOON, wait_until};

/// Bytes of the agent's log that are shown when a test fails.
const LOG_SHOWN_BYTES: usize = 16 << 10;

/// How a process ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ended {
    /// Exit code; a signal is none.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Asserts the exit code, and that standard error has each of these words.
    #[track_caller]
    pub fn expect(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code(), Some(code), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {self:#?}");
        }
        self
    }
}

/// Runs a command of `sluice` to its end, which has to come by itself.
#[track_caller]
pub fn sluice(arguments: &[&str]) -> Ended {
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("RUST_LOG")
        .output()
        .expect("the program under test can be run");
    Ended {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: began.elapsed(),
    }
}

/// A running agent. It is killed when it is dropped, and with the thread that started it.
pub struct Agent {
    child: Child,
    log: PathBuf,
    /// Where this run's part of the log begins.
    log_from: u64,
}

impl Agent {
    /// `sluice run --config CONFIG`, its output and log appended to `log`.
    pub fn start(config: &Path, log: &Path) -> Self {
        let mut command = dying_with_us(env!("CARGO_BIN_EXE_sluice"));
        command.arg("run").arg("--config").arg(config);
        Self::spawn(command, log)
    }

    /// The same in a mount namespace of its own that takes over no mount of later, as a container
    /// without propagation: the host's root stands at `prefix` there.
    pub fn start_apart(prefix: &Path, config: &Path, log: &Path) -> Self {
        let mut command = dying_with_us("unshare");
        let script = "mount --rbind / \"$1\" && mount --make-rprivate / && \
                      exec \"$2\" run --config \"$3\"";
        command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
        command.arg(prefix).arg(env!("CARGO_BIN_EXE_sluice")).arg(config);
        Self::spawn(command, log)
    }

    fn spawn(mut command: Command, log: &Path) -> Self {
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let file = open().expect("the log of the agent can be written");
        let log_from = file.metadata().expect("an open file has a length").len();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a descriptor is left"))
            .stderr(file)
            .env_remove("RUST_LOG")
            .spawn()
            .expect("the program under test can be run");
        Self { child, log: log.to_owned(), log_from }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a pid is positive");
        kill_process(pid, signal).expect("a child that is not waited for can be signalled");
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) {
        self.kill_and_wait();
    }

    pub fn kill_and_wait(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// SIGSTOP: it runs no instruction until [`Self::thaw`].
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it by SIGTERM and expects a clean end. It has to be up: before its handler stands the
    /// kernel ends it without one.
    #[track_caller]
    pub fn terminate(mut self) -> Ended {
        self.wait_until_it_runs();
        self.signal(Signal::TERM);
        let ended = self.wait(SOON);
        assert_eq!(ended.code(), Some(0), "SIGTERM is no failure: {ended:#?}");
        ended
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self, timeout: Duration) -> Ended {
        let began = Instant::now();
        let mut status = None;
        let in_time = wait_until(timeout, || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        assert!(in_time, "the agent still runs after {timeout:?}");
        Ended {
            status: status.expect("the wait was for it"),
            stdout: String::new(),
            stderr: self.said(),
            took: began.elapsed(),
        }
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_some()
    }

    /// What this run has written to its log so far.
    pub fn said(&self) -> String {
        use std::io::Seek as _;
        let mut bytes = Vec::new();
        let read = File::open(&self.log).and_then(|mut file| {
            file.seek(std::io::SeekFrom::Start(self.log_from))?;
            file.read_to_end(&mut bytes)
        });
        read.expect("the log of the agent can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until its log has these words.
    #[track_caller]
    pub fn wait_for_word(&self, word: &str, timeout: Duration) {
        assert!(wait_until(timeout, || self.said().contains(word)), "it never says {word:?}");
    }

    /// Waits until it says that it runs.
    #[track_caller]
    pub fn wait_until_it_runs(&mut self) {
        let running = wait_until(SOON, || self.said().contains("sluice is running"));
        assert!(running, "it does not start; ended: {}", self.has_ended());
    }

    /// Whether it has this file open, under whatever name it was opened.
    pub fn has_open(&self, path: &Path) -> bool {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        let mut descriptors = descriptors.into_iter().flatten().flatten();
        descriptors.any(|entry| std::fs::read_link(entry.path()).is_ok_and(|to| to == path))
    }

    /// Resident memory.
    pub fn resident_bytes(&self) -> u64 {
        self.of_status("VmRSS:")
    }

    /// The most that was ever resident.
    pub fn resident_bytes_max(&self) -> u64 {
        self.of_status("VmHWM:")
    }

    fn of_status(&self, key: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the agent runs");
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("the kernel tells it") << 10
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() || std::env::var_os("SLUICE_TEST_SHOW").is_some() {
            let said = self.said();
            let from = said.len().saturating_sub(LOG_SHOWN_BYTES);
            let from = (from..).find(|&at| said.is_char_boundary(at)).unwrap_or(0);
            eprintln!("--- the agent (pid {}) said:\n{}---", self.child.id(), &said[from..]);
        }
        // It may have ended; both are right then too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A test program that is killed leaves no agents behind: `setpriv` asks the kernel for that, which
/// a test could only do itself with `unsafe`.
fn dying_with_us(program: &str) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    if !setpriv.exists() {
        return Command::new(program);
    }
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}
