//! The watcher's loop: one step drains signals, obeys commands, looks at what is due.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, TryRecvError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::core::{Now, SourceToken};

use super::announce::Announcer;
use super::inotify::InotifyRung;
use super::mounts::Mounts;
use super::roots::Roots;
use super::rung::{Log, Queue, Refusal, Rung, RungName, Signal};
use super::sweep::{
    Changed, Entry, Finding, Gathered, POLLED_LOOKS_PER_SECOND_MAX, PROVEN_LOOKS_PER_SECOND_MAX,
    Sweep,
};
use super::{Counters, Listeners, WatchSettings};

/// How long a signal may still come after the sweep saw a change. `write` makes the new size
/// visible page by page and signals at its end, which throttling may put off; and writes
/// are looked at once per tick, so this is two of them.
const SIGNAL_GRACE: Duration = Duration::from_millis(200);

/// Changes that wait for their signal. Beyond it they are announced and not counted as missed.
const SUSPECTS_MAX: usize = 1_024;

pub(super) enum Command {
    AddRoot(PathBuf),
    Follow(Log),
    Unfollow(SourceToken),
}

/// What the thread has to do after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) wake_ns: u64,
    /// Something was written: let more of it gather until `wake_ns`.
    pub(super) busy: bool,
    pub(super) ended: bool,
}

pub(super) struct Loop {
    settings: WatchSettings,
    counters: Counters,
    announcer: Arc<Announcer>,
    commands: Receiver<Command>,
    /// Rung of what is in `proven`; `None` if the kernel gave no instance.
    inotify: Option<InotifyRung>,
    proven: Sweep,
    polled: Sweep,
    mounts: Mounts,
    roots: Roots,
    suspects: Vec<(u64, Finding)>,
    rescan_ns: u64,
    /// Writes are not looked for before.
    writes_ns: u64,
    limit_reported: bool,
    signals: Vec<Signal>,
    /// Sources with news in the present drain.
    gathered: Vec<SourceToken>,
    findings: Vec<Finding>,
}

impl Loop {
    pub(super) fn new(
        settings: WatchSettings,
        listeners: Listeners,
        announcer: Arc<Announcer>,
        commands: Receiver<Command>,
        counters: Counters,
    ) -> Self {
        let interval = settings.sweep_interval;
        let mut this = Self {
            inotify: None,
            proven: Sweep::new(interval, PROVEN_LOOKS_PER_SECOND_MAX),
            polled: Sweep::new(interval, POLLED_LOOKS_PER_SECOND_MAX),
            mounts: Mounts::new(Arc::clone(&announcer), interval),
            roots: Roots::new(listeners.sighting, counters.clone()),
            suspects: Vec::new(),
            rescan_ns: 0,
            writes_ns: 0,
            limit_reported: false,
            signals: Vec::new(),
            gathered: Vec::new(),
            findings: Vec::new(),
            settings,
            counters,
            announcer,
            commands,
        };
        this.open_inotify();
        this
    }

    pub(super) fn run(mut self, bell: &OwnedFd) {
        let now = Now::read();
        for root in std::mem::take(&mut self.settings.roots) {
            self.add_root(&root, now);
        }
        loop {
            let next = self.step(Now::read());
            if next.ended {
                return;
            }
            self.wait(next, bell);
            self.counters.wakeups.inc();
        }
    }

    pub(super) fn step(&mut self, now: Now) -> Next {
        // Commands first: signals of what was just followed are not passed over.
        let ended = self.obey(now);
        self.drain(now);
        self.sweep(now);
        if now.mono_ns >= self.rescan_ns {
            self.rescan(now);
        }
        self.settle(now);
        self.count();
        let busy = self.writes_ns > now.mono_ns;
        // While busy also the sweep waits for the tick, so that wake-ups stay bounded.
        let wake_ns = if busy { self.writes_ns } else { self.next_wake_ns() };
        Next { wake_ns, busy, ended }
    }

    fn wait(&self, next: Next, bell: &OwnedFd) {
        let wait = Duration::from_nanos(next.wake_ns.saturating_sub(Now::read().mono_ns));
        let timeout =
            Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        let mut fds = vec![PollFd::new(bell, PollFlags::IN)];
        if let Some(rung) = &self.inotify {
            fds.push(PollFd::from_borrowed_fd(rung.wait_on(Queue::Names), PollFlags::IN));
            if !next.busy {
                fds.push(PollFd::from_borrowed_fd(rung.wait_on(Queue::Writes), PollFlags::IN));
            }
        }
        // Interrupted or not: the next step looks for itself.
        let _ = poll(&mut fds, Some(&timeout));
        let _ = rustix::io::read(bell.as_fd(), &mut [0_u8; 8]);
    }

    fn next_wake_ns(&self) -> u64 {
        let mut wake = self.rescan_ns;
        for sweep in [&self.proven, &self.polled] {
            wake = wake.min(sweep.next_wake_ns().unwrap_or(u64::MAX));
        }
        if let Some((at, _)) = self.suspects.first() {
            wake = wake.min(*at);
        }
        wake
    }

    fn obey(&mut self, now: Now) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::AddRoot(root)) => self.add_root(&root, now),
                Ok(Command::Follow(log)) => self.follow(log, now),
                Ok(Command::Unfollow(source)) => self.unfollow(source),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
    }

    fn add_root(&mut self, root: &Path, now: Now) {
        let mount = self.mounts.mount_of(root, now);
        if mount.is_remote() {
            tracing::warn!(
                root = %root.display(),
                mount = %mount.point.display(),
                "containers directory is on a remote mount; new containers are found by listing"
            );
            return;
        }
        let refused = self.roots.add(root, self.inotify.as_mut());
        self.report(refused.as_ref());
    }

    fn follow(&mut self, log: Log, now: Now) {
        let source = log.source;
        let mark = self.announcer.add(source);
        self.roots.set_followed(&log.dir, true);
        let mount = self.mounts.mount_of(&log.dir, now);
        if mount.is_remote() {
            self.announcer.announce(&mark, true, RungName::Poll);
            if let Err(error) = self.mounts.follow(&mount, log, mark) {
                tracing::warn!(%error, mount = %mount.point.display(), "cannot poll a mount");
            }
            return;
        }
        let rung = self.climb(&log);
        // After the watch and before the first look: nothing falls between the two, and what was
        // written before is announced now.
        if let Some(entry) = Entry::new(log, Arc::clone(&mark)) {
            match rung {
                RungName::Inotify => self.proven.insert(entry),
                RungName::Poll => self.polled.insert(entry),
            }
        }
        self.announcer.announce(&mark, true, rung);
    }

    /// The highest rung that takes `log`.
    fn climb(&mut self, log: &Log) -> RungName {
        let Some(rung) = &mut self.inotify else { return RungName::Poll };
        match rung.follow(log) {
            Ok(()) => rung.name(),
            Err(refusal) => {
                self.report(Some(&refusal));
                RungName::Poll
            }
        }
    }

    fn unfollow(&mut self, source: SourceToken) {
        self.announcer.remove(source);
        if self.mounts.unfollow(source) {
            return;
        }
        if let Some(entry) = self.proven.remove(source) {
            if let Some(rung) = &mut self.inotify {
                rung.unfollow(&entry.log);
            }
            self.roots.set_followed(&entry.log.dir, false);
        } else if let Some(entry) = self.polled.remove(source) {
            self.roots.set_followed(&entry.log.dir, false);
        }
    }

    fn drain(&mut self, now: Now) {
        let Some(rung) = &mut self.inotify else { return };
        let mut signals = std::mem::take(&mut self.signals);
        // Writes first: that a file was made is in the other queue before the first write to it.
        if now.mono_ns >= self.writes_ns && rung.collect(Queue::Writes, &mut signals) {
            self.writes_ns = now.after(self.settings.busy_tick);
        }
        rung.collect(Queue::Names, &mut signals);
        for signal in signals.drain(..) {
            self.hear(signal, now);
        }
        self.signals = signals;
        self.tell();
    }

    /// Passes on what was gathered: once per source and drain, also if its worker looks meanwhile.
    fn tell(&mut self) {
        for source in self.gathered.drain(..) {
            if let Some(entry) = self.proven.find(source)
                && let Some(heard) = entry.gathered.take()
            {
                let names = heard == Gathered::Names;
                self.announcer.announce(&entry.mark, names, RungName::Inotify);
            }
        }
    }

    pub(super) fn hear(&mut self, signal: Signal, now: Now) {
        match signal {
            Signal::News { source, names } => {
                if let Some(entry) = self.proven.find(source) {
                    entry.signalled = true;
                    let heard = Some(if names { Gathered::Names } else { Gathered::Data });
                    if entry.gathered.is_none() {
                        self.gathered.push(source);
                    }
                    entry.gathered = entry.gathered.max(heard);
                }
            }
            Signal::Began { source } => {
                if let Some(entry) = self.proven.find(source) {
                    entry.mark.began();
                }
            }
            Signal::Dropped { source } => {
                if let Some(entry) = self.proven.remove(source) {
                    self.announcer.announce(&entry.mark, true, RungName::Inotify);
                    self.polled.insert(entry);
                }
            }
            Signal::DirectoryCame { root, name } => {
                let refused = self.roots.directory_came(&root, &name, self.inotify.as_mut());
                self.report(refused.as_ref());
            }
            Signal::DirectoryWent { root, name } => {
                self.roots.directory_went(&root, &name, self.inotify.as_mut());
            }
            Signal::RootWent { root } => self.roots.root_went(&root),
            Signal::FileCame { dir, name } => self.roots.file_came(&dir, &name),
            Signal::NamesLost => self.lost(now),
            Signal::WritesLost => {
                self.counters.overflows.inc();
                for entry in self.proven.entries() {
                    self.announcer.announce(&entry.mark, false, RungName::Inotify);
                }
            }
        }
    }

    /// The kernel's queue of names overflowed: any source may have news, any container may have come.
    fn lost(&mut self, now: Now) {
        self.counters.overflows.inc();
        for entry in self.proven.entries() {
            self.announcer.announce(&entry.mark, true, RungName::Inotify);
        }
        self.rescan(now);
        self.roots.look_again();
    }

    fn rescan(&mut self, now: Now) {
        self.rescan_ns = now.after(self.settings.rescan_interval);
        if self.inotify.is_none() {
            self.open_inotify();
        }
        let refused = self.roots.rescan(self.inotify.as_mut());
        self.report(refused.as_ref());
        self.mounts.report_stalls(now);
        if refused.is_none() {
            self.promote();
        }
    }

    /// Tries again for logs that no watch was left for.
    fn promote(&mut self) {
        let Some(rung) = &mut self.inotify else { return };
        let waiting: Vec<SourceToken> =
            self.polled.entries().map(|entry| entry.log.source).collect();
        for source in waiting {
            let Some(entry) = self.polled.find(source) else { continue };
            match rung.follow(&entry.log) {
                Ok(()) => {
                    if let Some(mut entry) = self.polled.remove(source) {
                        // Its next look may find what was written before the watch.
                        entry.signalled = true;
                        self.announcer.announce(&entry.mark, true, RungName::Poll);
                        self.proven.insert(entry);
                    }
                }
                Err(Refusal::Limit { .. }) => return,
                Err(Refusal::Path { .. }) => {}
            }
        }
    }

    fn sweep(&mut self, now: Now) {
        let mut findings = std::mem::take(&mut self.findings);
        let mut looked = self.polled.step(now.mono_ns, &mut findings);
        for finding in findings.drain(..) {
            if let Some(entry) = self.polled.find(finding.source) {
                let names = finding.change == Changed::File;
                self.announcer.announce(&entry.mark, names, RungName::Poll);
            }
        }
        looked += self.proven.step(now.mono_ns, &mut findings);
        let until = now.after(SIGNAL_GRACE);
        for finding in findings.drain(..) {
            if self.suspects.len() < SUSPECTS_MAX {
                self.suspects.push((until, finding));
            } else if let Some(entry) = self.proven.find(finding.source) {
                self.announcer.announce(&entry.mark, true, RungName::Poll);
            }
        }
        self.findings = findings;
        self.counters.swept.inc_by(looked as u64);
    }

    /// Judges changes whose signal had time enough to come.
    fn settle(&mut self, now: Now) {
        let ripe = self.suspects.iter().take_while(|(at, _)| *at <= now.mono_ns).count();
        for (_, finding) in self.suspects.drain(..ripe).collect::<Vec<_>>() {
            let Some(entry) = self.proven.find(finding.source) else { continue };
            if std::mem::take(&mut entry.signalled) {
                continue;
            }
            self.announcer.announce(&entry.mark, finding.change == Changed::File, RungName::Poll);
            // Setting a file's time is no write and makes no signal that we ask for.
            if finding.change != Changed::Time {
                let mount = self.mounts.mount_of(&entry.log.dir, now);
                self.counters.count_missed(RungName::Inotify, &mount.point.to_string_lossy());
            }
        }
    }

    fn open_inotify(&mut self) {
        match InotifyRung::new() {
            Ok(rung) => self.inotify = Some(rung),
            Err(error) => {
                self.report(Some(&Refusal::of(Path::new("a new inotify instance"), error)));
            }
        }
    }

    /// Says once what limit was reached and how to raise it.
    fn report(&mut self, refusal: Option<&Refusal>) {
        match refusal {
            None => {}
            Some(error @ Refusal::Limit { .. }) => {
                self.counters.limited.inc();
                if !std::mem::replace(&mut self.limit_reported, true) {
                    tracing::warn!(
                        %error,
                        "polling instead; raise it with: sysctl -w \
                         fs.inotify.max_user_watches=1048576 fs.inotify.max_user_instances=1024"
                    );
                }
            }
            Some(error @ Refusal::Path { .. }) => tracing::debug!(%error, "polling instead"),
        }
    }

    fn count(&self) {
        self.counters.set_followed(RungName::Inotify, self.proven.len());
        self.counters.set_followed(RungName::Poll, self.polled.len() + self.mounts.len());
        let watches = self.inotify.as_ref().map_or(0, InotifyRung::len);
        self.counters.watches.set(watches as i64);
    }
}

#[cfg(test)]
impl Loop {
    /// The kernel forgets to signal for `source`, and nobody noticed.
    pub(super) fn deafen(&mut self, source: SourceToken) {
        if let (Some(rung), Some(entry)) = (&mut self.inotify, self.proven.find(source)) {
            rung.unfollow(&entry.log);
        }
    }

    /// What was queued is lost, and nothing more comes.
    pub(super) fn deafen_all(&mut self) {
        self.inotify = None;
    }
}
