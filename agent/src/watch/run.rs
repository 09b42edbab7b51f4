//! The watcher's loop: one step drains signals, obeys commands, looks at what is due.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, TryRecvError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::core::{Now, SourceToken};
use crate::kernel;
use crate::sys::give_back_memory;

use super::announce::Announcer;
use super::inotify::InotifyRung;
use super::ladder::{Climbed, Ladder};
use super::mounts::{Mount, Mounts};
use super::roots::Roots;
use super::rung::{Log, Queue, RungName, Signal};
use super::slots::{KernelRung, Refollowed};
use super::standing::Standings;
use super::sweep::{
    Changed, Entry, Finding, Gathered, POLLED_LOOKS_PER_SECOND_MAX, PROVEN_LOOKS_PER_SECOND_MAX,
    Sweep,
};
use super::{Counters, Listeners, WatchError, WatchSettings};

/// How long a signal may still come after the sweep saw a change. `write` makes the new size
/// visible page by page and signals at its end, which throttling may put off; and writes
/// are looked at once per tick, so this is two of them.
const SIGNAL_GRACE: Duration = Duration::from_millis(200);

/// Names of containers' directories that are compared in a second with what is watched: signals
/// tell of them too, and 10 000 need not be listed every 5 s.
const RESCANNED_PER_SECOND_MAX: f64 = 500.0;

/// Changes that wait for their signal. Beyond it they are announced and not counted as missed.
const SUSPECTS_MAX: usize = 1_024;

/// How often a better rung is tried. An attempt takes some tens of milliseconds.
const CLIMB_INTERVAL: Duration = Duration::from_hours(1);

pub(super) enum Command {
    AddRoot(PathBuf),
    /// A container's directory that a listing did not find.
    Missing(PathBuf),
    Follow(Log),
    Unfollow(SourceToken),
    /// Try the better rungs now.
    Climb,
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
    ladder: Ladder,
    /// What a rung announces.
    proven: Sweep,
    polled: Sweep,
    mounts: Mounts,
    roots: Roots,
    suspects: Vec<(u64, Finding)>,
    rescan_ns: u64,
    /// When the better rungs are tried again; never, where there is none to try.
    climb_ns: u64,
    /// Writes are not looked for before.
    writes_ns: u64,
    /// But for a second look at what was written first after a quiet time.
    early_ns: Option<u64>,
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
        standings: Standings,
    ) -> Self {
        let interval = settings.sweep_interval;
        Self {
            ladder: Ladder::new(settings.highest, standings, counters.clone()),
            proven: Sweep::new(interval, PROVEN_LOOKS_PER_SECOND_MAX),
            polled: Sweep::new(interval, POLLED_LOOKS_PER_SECOND_MAX),
            mounts: Mounts::new(Arc::clone(&announcer), interval),
            roots: Roots::new(listeners.sighting, counters.clone()),
            suspects: Vec::new(),
            rescan_ns: 0,
            climb_ns: u64::MAX,
            writes_ns: 0,
            early_ns: None,
            signals: Vec::new(),
            gathered: Vec::new(),
            findings: Vec::new(),
            settings,
            counters,
            announcer,
            commands,
        }
    }

    /// Watches the roots and opens the kernel watcher: on the thread that will hold it.
    pub(super) fn start(&mut self) -> Result<(), WatchError> {
        let now = Now::read();
        // What comes while the kernel watcher is made waits in inotify's queue.
        for root in std::mem::take(&mut self.settings.roots) {
            self.add_root(&root, now);
        }
        self.climb(now);
        if self.settings.require_kernel {
            self.ladder.kernel_at_home().map_err(|why| WatchError::Required { why })?;
        }
        Ok(())
    }

    pub(super) fn run(mut self, bell: &OwnedFd) {
        loop {
            let next = self.step(Now::read());
            if next.ended {
                return;
            }
            if self.wait(next, bell) {
                self.counters.wakeups.inc();
            }
        }
    }

    pub(super) fn step(&mut self, now: Now) -> Next {
        // Commands first: signals of what was just followed are not passed over.
        let ended = self.obey(now);
        let missing = self.roots.take_missing();
        self.drain(now);
        for dir in missing {
            self.roots.missed(&dir, self.ladder.inotify.as_mut());
        }
        self.sweep(now);
        if now.mono_ns >= self.rescan_ns {
            self.rescan(now);
        }
        if now.mono_ns >= self.climb_ns {
            self.climb(now);
        }
        self.settle(now);
        self.count();
        let busy = self.writes_ns > now.mono_ns;
        // While busy also the sweep waits for the tick, so that wake-ups stay bounded.
        let wake_ns = if self.roots.has_missing() {
            now.mono_ns
        } else if busy {
            self.writes_ns.min(self.early_ns.unwrap_or(u64::MAX))
        } else {
            self.next_wake_ns()
        };
        Next { wake_ns, busy, ended }
    }

    /// False if there was nothing to wait for.
    fn wait(&mut self, next: Next, bell: &OwnedFd) -> bool {
        if !next.busy
            && let Some(kernel) = &mut self.ladder.kernel
            && !kernel.sleep(Now::read())
        {
            return false;
        }
        let mut wake_ns = next.wake_ns;
        if let Some(kernel) = &self.ladder.kernel
            && !next.busy
        {
            wake_ns = wake_ns.min(kernel.next_look_ns().unwrap_or(u64::MAX));
        }
        let wait = Duration::from_nanos(wake_ns.saturating_sub(Now::read().mono_ns));
        let timeout =
            Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        let mut fds = vec![PollFd::new(bell, PollFlags::IN)];
        if let Some(kernel) = &self.ladder.kernel {
            fds.push(PollFd::from_borrowed_fd(kernel.wait_on(), PollFlags::IN));
        }
        if let Some(rung) = &self.ladder.inotify {
            fds.push(PollFd::from_borrowed_fd(rung.wait_on(Queue::Names), PollFlags::IN));
            if !next.busy {
                fds.push(PollFd::from_borrowed_fd(rung.wait_on(Queue::Writes), PollFlags::IN));
            }
        }
        // Interrupted or not: the next step looks for itself.
        let _ = poll(&mut fds, Some(&timeout));
        let _ = rustix::io::read(bell.as_fd(), &mut [0_u8; 8]);
        true
    }

    fn next_wake_ns(&self) -> u64 {
        let mut wake = self.rescan_ns.min(self.climb_ns);
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
                Ok(Command::Missing(dir)) => self.roots.miss(dir),
                Ok(Command::Follow(log)) => self.follow(log, now),
                Ok(Command::Unfollow(source)) => self.unfollow(source),
                Ok(Command::Climb) => self.climb(now),
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
        let refused = self.roots.add(root, self.ladder.inotify.as_mut());
        self.ladder.report(refused.as_ref());
    }

    fn follow(&mut self, log: Log, now: Now) {
        let source = log.source;
        let mark = self.announcer.add(source);
        // What is queued happened before: it is opened here, and is no file that was made since.
        self.drain_names(now);
        let since_ns = Now::read().wall_ns;
        self.roots.set_followed(&log.dir, true);
        let mount = self.mounts.mount_of(&log.dir, now);
        if mount.is_remote() {
            self.announcer.announce(&mark, true, RungName::Poll);
            if let Err(error) = self.mounts.follow(&mount, log, mark) {
                tracing::warn!(%error, mount = %mount.point.display(), "cannot poll a mount");
            }
            return;
        }
        let rung = self.ladder.follow(&log, &mount.point);
        if rung != RungName::Poll {
            mark.count_since(since_ns);
        }
        // After the watch and before the first look: nothing falls between the two, and what was
        // written before is announced now.
        if let Some(entry) = Entry::new(log, Arc::clone(&mark), rung) {
            self.insert(entry);
        }
        self.announcer.announce(&mark, true, rung);
    }

    fn insert(&mut self, entry: Entry) {
        if entry.rung() == RungName::Poll {
            self.polled.insert(entry);
        } else {
            self.proven.insert(entry);
        }
    }

    /// Tries the better rungs, and moves every log up if one is to be had.
    fn climb(&mut self, now: Now) {
        self.climb_ns =
            if self.settings.highest.is_kernel() { now.after(CLIMB_INTERVAL) } else { u64::MAX };
        let settings = kernel::Settings {
            prove_in: self.settings.prove_in.clone(),
            ..kernel::Settings::default()
        };
        let climbed = self.ladder.open_kernel(&settings);
        // Parsing the kernel's types took some 50 MB.
        give_back_memory();
        if climbed == Climbed::Yes {
            let all = self.proven.entries().map(|entry| entry.log.source).collect();
            self.follow_again(all, now);
        }
    }

    /// Puts logs on the best rung that takes them now.
    fn follow_again(&mut self, sources: Vec<SourceToken>, now: Now) {
        for source in sources {
            let Some(mut entry) = self.proven.remove(source) else { continue };
            let mount = self.mounts.mount_of(&entry.log.dir, now);
            entry.stand_on(self.ladder.follow(&entry.log, &mount.point));
            // Between two rungs nobody listened.
            entry.signalled = true;
            self.announcer.announce(&entry.mark, true, entry.rung());
            self.insert(entry);
        }
    }

    /// The kernel watcher does not tell of writes on this mount.
    fn demote(&mut self, mount: &Mount, rung: RungName, now: Now) {
        self.ladder.demote(&mount.point, rung);
        let entries = self.proven.entries().filter(|entry| entry.rung().is_kernel());
        let logs: Vec<_> = entries.map(|entry| (entry.log.source, entry.log.dir.clone())).collect();
        let there = logs.into_iter().filter(|(_, dir)| self.mounts.mount_of(dir, now) == *mount);
        let sources = there.map(|(source, _)| source).collect();
        self.follow_again(sources, now);
    }

    fn unfollow(&mut self, source: SourceToken) {
        self.announcer.remove(source);
        if self.mounts.unfollow(source) {
            return;
        }
        if let Some(entry) = self.proven.remove(source) {
            self.ladder.unfollow(&entry.log);
            self.roots.set_followed(&entry.log.dir, false);
        } else if let Some(entry) = self.polled.remove(source) {
            self.roots.set_followed(&entry.log.dir, false);
        }
    }

    fn drain(&mut self, now: Now) {
        // Writes first: that a file was made is in the other queue before the first write to it.
        let mut signals = std::mem::take(&mut self.signals);
        let is_early = self.early_ns.is_some_and(|at| at <= now.mono_ns);
        if now.mono_ns >= self.writes_ns || is_early {
            let was_quiet = now.since(self.writes_ns) > self.settings.busy_tick;
            let Ladder { inotify, kernel, .. } = &mut self.ladder;
            let mut written = false;
            if let Some(rung) = inotify {
                written |= rung.collect(Queue::Writes, &mut signals);
            }
            if let Some(rung) = kernel {
                written |= rung.collect(now, &mut signals);
            }
            self.early_ns = None;
            if written {
                self.writes_ns = now.after(self.settings.busy_tick);
                // A log that goes on being written is looked at again anyway.
                let next_look = kernel.as_ref().and_then(KernelRung::next_look_ns);
                self.early_ns = next_look.filter(|_| was_quiet);
            }
        }
        self.signals = signals;
        self.drain_names(now);
        self.tell(now);
    }

    /// Hears names that came and went, behind what was collected already.
    fn drain_names(&mut self, now: Now) {
        let mut signals = std::mem::take(&mut self.signals);
        if let Some(rung) = &mut self.ladder.inotify {
            rung.collect(Queue::Names, &mut signals);
        }
        if let Some(rung) = &mut self.ladder.kernel {
            rung.collect_edges(&mut signals);
        }
        for signal in signals.drain(..) {
            self.hear(signal, now);
        }
        self.signals = signals;
    }

    /// Passes on what was gathered: once per source and drain, also if its worker looks meanwhile.
    fn tell(&mut self, now: Now) {
        let mut lost = Vec::new();
        for source in self.gathered.drain(..) {
            let Some(entry) = self.proven.find(source) else { continue };
            let Some(heard) = entry.gathered.take() else { continue };
            let names = heard == Gathered::Names;
            // Before it is told: what is written to a new file from now on has a slot.
            if names && entry.rung().is_kernel() && self.ladder.refollow(&entry.log).is_err() {
                lost.push(source);
            }
            self.announcer.announce(&entry.mark, names, entry.rung());
        }
        self.follow_again(lost, now);
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
                if let Some(mut entry) = self.proven.remove(source) {
                    self.announcer.announce(&entry.mark, true, entry.rung());
                    self.ladder.dropped(source);
                    entry.stand_on(RungName::Poll);
                    self.polled.insert(entry);
                }
            }
            Signal::DirectoryCame { root, name } => {
                let inotify = self.ladder.inotify.as_mut();
                let refused = self.roots.directory_came(&root, &name, inotify);
                self.ladder.report(refused.as_ref());
            }
            Signal::DirectoryWent { root, name } => {
                self.roots.directory_went(&root, &name, self.ladder.inotify.as_mut());
            }
            Signal::Container { id } => {
                let refused = self.roots.container_moved(&id, self.ladder.inotify.as_mut());
                self.ladder.report(refused.as_ref());
            }
            Signal::RootWent { root } => self.roots.root_went(&root),
            Signal::FileCame { dir, name } => self.roots.file_came(&dir, &name),
            Signal::NamesLost => self.lost(now),
            Signal::WritesLost => {
                self.count_overflow();
                // Gathered like any other: what was also heard of is told once.
                let all: Vec<_> = self.proven.entries().map(|entry| entry.log.source).collect();
                for source in all {
                    self.hear(Signal::News { source, names: false }, now);
                }
            }
        }
    }

    /// The kernel's queue of names overflowed: any source may have news, any container may have come.
    fn lost(&mut self, now: Now) {
        self.count_overflow();
        for entry in self.proven.entries() {
            self.announcer.announce(&entry.mark, true, entry.rung());
        }
        let kernel = self.proven.entries().filter(|entry| entry.rung().is_kernel());
        let behind: Vec<_> = kernel
            .filter(|entry| self.ladder.refollow(&entry.log).is_err())
            .map(|entry| entry.log.source)
            .collect();
        self.follow_again(behind, now);
        self.rescan(now);
        self.roots.look_again();
    }

    /// Said once: what comes of it is looks, and on a node that goes on so the metric tells.
    fn count_overflow(&self) {
        if self.counters.overflows.inc() == 0 {
            tracing::warn!(
                "signals of the kernel were lost; everything is looked at instead, now and \
                 whenever it happens again (sluice_watch_overflows_total)"
            );
        }
    }

    fn rescan(&mut self, now: Now) {
        let many = Duration::from_secs_f64(self.roots.len() as f64 / RESCANNED_PER_SECOND_MAX);
        self.rescan_ns = now.after(self.settings.rescan_interval.max(many));
        self.ladder.open_inotify();
        let refused = self.roots.rescan(self.ladder.inotify.as_mut());
        self.ladder.report(refused.as_ref());
        self.mounts.report_stalls(now);
        if refused.is_none() {
            self.promote(now);
        }
    }

    /// Tries again for logs that no watch was left for.
    fn promote(&mut self, now: Now) {
        let waiting: Vec<SourceToken> =
            self.polled.entries().map(|entry| entry.log.source).collect();
        for source in waiting {
            let Some(entry) = self.polled.find(source) else { continue };
            let mount = self.mounts.mount_of(&entry.log.dir, now);
            let limited = self.counters.limited.get();
            let rung = self.ladder.follow(&entry.log, &mount.point);
            if rung == RungName::Poll {
                if self.counters.limited.get() != limited {
                    return;
                }
                continue;
            }
            if let Some(mut entry) = self.polled.remove(source) {
                // Its next look may find what was written before the watch.
                entry.signalled = true;
                entry.stand_on(rung);
                self.announcer.announce(&entry.mark, true, RungName::Poll);
                self.proven.insert(entry);
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
                self.missed(finding.source, now);
            }
        }
    }

    /// A change of `source` that its rung should have announced.
    fn missed(&mut self, source: SourceToken, now: Now) {
        let Some(entry) = self.proven.find(source) else { return };
        let mount = self.mounts.mount_of(&entry.log.dir, now);
        let point = mount.point.to_string_lossy();
        let rung = entry.rung();
        if !rung.is_kernel() {
            self.counters.count_missed(rung, &point);
            return;
        }
        match self.ladder.refollow(&entry.log) {
            Ok(Refollowed::Same) => {
                self.counters.count_missed(rung, &point);
                self.demote(&mount, rung, now);
            }
            // It was the name that nobody told of.
            Ok(Refollowed::New) => self.counters.count_missed(RungName::Inotify, &point),
            Err(_) => self.follow_again(vec![source], now),
        }
    }

    fn count(&self) {
        for rung in RungName::ALL {
            let mut followed = self.proven.standing_on(rung) + self.polled.standing_on(rung);
            if rung == RungName::Poll {
                followed += self.mounts.len();
            }
            self.counters.set_followed(rung, followed);
        }
        let watches = self.ladder.inotify.as_ref().map_or(0, InotifyRung::len);
        self.counters.watches.set(watches as i64);
    }
}

#[cfg(test)]
impl Loop {
    /// The kernel forgets to signal for `source`, and nobody noticed.
    pub(super) fn deafen(&mut self, source: SourceToken) {
        if let Some(entry) = self.proven.find(source) {
            self.ladder.unfollow(&entry.log);
        }
    }

    /// Its slots are given up, and the rung does not know.
    pub(super) fn silence_the_kernel(&mut self, source: SourceToken) {
        if let Some(kernel) = &mut self.ladder.kernel {
            kernel.silence(source);
        }
    }

    pub(super) fn followed_inodes(&self) -> usize {
        self.ladder.kernel.as_ref().map_or(0, KernelRung::followed)
    }

    pub(super) fn hears_writes(&self, dir: &Path) -> bool {
        self.ladder.inotify.as_ref().is_some_and(|rung| rung.hears_writes(dir))
    }

    /// What was queued is lost, and nothing more comes.
    pub(super) fn deafen_all(&mut self) {
        self.ladder.inotify = None;
    }
}
