//! The rungs that can be had, and which of them a log stands on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::core::SourceToken;
use crate::kernel;

use super::Counters;
use super::inotify::{InotifyRung, Writes};
use super::rung::{Log, Refusal, RungName};
use super::slots::{KernelRung, Refollowed};
use super::standing::Standings;

pub(super) struct Ladder {
    highest: RungName,
    pub(super) inotify: Option<InotifyRung>,
    pub(super) kernel: Option<KernelRung>,
    /// Why there is no kernel watcher.
    kernel_refused: String,
    /// Mounts on which the kernel watcher was silent, with the reason.
    demoted: HashMap<PathBuf, String>,
    standings: Standings,
    counters: Counters,
    limit_reported: bool,
    no_room_reported: bool,
}

impl Ladder {
    /// With inotify; the kernel watcher belongs to the thread that opens it.
    pub(super) fn new(highest: RungName, standings: Standings, counters: Counters) -> Self {
        let mut this = Self {
            highest,
            inotify: None,
            kernel: None,
            kernel_refused: "not asked for".into(),
            demoted: HashMap::new(),
            standings,
            counters,
            limit_reported: false,
            no_room_reported: false,
        };
        this.open_inotify();
        this
    }

    pub(super) fn open_inotify(&mut self) {
        if self.inotify.is_some() || self.highest == RungName::Poll {
            return;
        }
        match InotifyRung::new() {
            Ok(rung) => self.inotify = Some(rung),
            Err(error) => {
                self.report(Some(&Refusal::of(Path::new("a new inotify instance"), error)));
            }
        }
    }

    /// Opens a kernel watcher and takes it if it is better than the present one: then every log has
    /// to be followed again. Gives the rung at the state directory, or why there is none.
    pub(super) fn open_kernel(&mut self, settings: &kernel::Settings) -> Climbed {
        let Some(highest) = self.highest.variant() else { return Climbed::No };
        let settings = kernel::Settings { highest, ..settings.clone() };
        let before = self.kernel.as_mut().map(KernelRung::at_home);
        if matches!(before, Some(Ok(rung)) if rung.variant() == Some(highest))
            && self.demoted.is_empty()
        {
            return Climbed::No;
        }
        match KernelRung::open(&settings) {
            Ok(mut rung) => {
                let now = rung.at_home();
                let better = match (&before, &now) {
                    (Some(Ok(before)), Ok(now)) => now < before,
                    (Some(_), Err(_)) => false,
                    (None | Some(Err(_)), _) => true,
                };
                if !better && self.demoted.is_empty() {
                    return Climbed::No;
                }
                match &now {
                    Ok(rung) => {
                        tracing::info!(rung = rung.as_str(), "the kernel tells of writes");
                    }
                    Err(why) => tracing::info!(why, "the kernel tells of no writes here"),
                }
                self.kernel = Some(rung);
                self.demoted.clear();
                Climbed::Yes
            }
            Err(why) => {
                if self.kernel_refused != why {
                    tracing::info!(why, "no kernel watcher; inotify does its work");
                    self.kernel_refused = why;
                }
                Climbed::No
            }
        }
    }

    /// The rung at the state directory, or why the kernel watcher does not tell of writes there.
    pub(super) fn kernel_at_home(&mut self) -> Result<RungName, String> {
        match &mut self.kernel {
            Some(kernel) => kernel.at_home(),
            None => Err(self.kernel_refused.clone()),
        }
    }

    /// Puts `log`, which lies below the mount point `mount`, on the best rung that takes it.
    pub(super) fn follow(&mut self, log: &Log, mount: &Path) -> RungName {
        let (rung, why) = self.climb(log, mount);
        match &self.kernel {
            // The reasons of a file system are looked up once, and not for each of its logs.
            Some(_) if rung.is_kernel() && self.standings.is_on(mount, rung) => {}
            Some(kernel) if rung.is_kernel() => {
                self.standings.stands(mount, rung, kernel.refusals(log));
            }
            // Its container is gone already, which says nothing of the mount.
            _ if rung == RungName::Poll && !log.dir.exists() => {}
            _ => {
                self.report_no_room(mount, rung, &why);
                self.standings.stands(mount, rung, why);
            }
        }
        rung
    }

    /// Says once that a log stands lower than the one before it on the same mount.
    fn report_no_room(&mut self, mount: &Path, rung: RungName, why: &str) {
        let is_told = self.no_room_reported || self.demoted.contains_key(mount);
        if !is_told && self.standings.is_on_kernel(mount) {
            self.no_room_reported = true;
            tracing::warn!(
                mount = %mount.display(), why, rung = rung.as_str(),
                "the kernel watcher takes no further log; those that follow get a lower rung \
                 (sluice_watch_followed)"
            );
        }
    }

    fn climb(&mut self, log: &Log, mount: &Path) -> (RungName, String) {
        let Some(inotify) = &mut self.inotify else {
            return (RungName::Poll, "no inotify instance".into());
        };
        // Names first: a file that is made after this is told of and followed.
        let (kernel, demoted) = (&mut self.kernel, self.demoted.get(mount));
        let tried = match (kernel, demoted) {
            (Some(kernel), None) => inotify
                .follow(log, Writes::Elsewhere)
                .map(|()| kernel.follow(log).map_err(|why| format!("no kernel watcher: {why}"))),
            (Some(kernel), Some(why)) => {
                kernel.unfollow(log.source);
                Ok(Err(why.clone()))
            }
            (None, _) => Ok(Err(format!("no kernel watcher: {}", self.kernel_refused))),
        };
        let refused = match tried {
            Ok(Ok(rung)) => return (rung, String::new()),
            Ok(Err(why)) => match inotify.follow(log, Writes::Heard) {
                Ok(()) => return (RungName::Inotify, why),
                Err(refusal) => refusal,
            },
            Err(refusal) => refusal,
        };
        self.report(Some(&refused));
        (RungName::Poll, refused.to_string())
    }

    pub(super) fn unfollow(&mut self, log: &Log) {
        if let Some(kernel) = &mut self.kernel {
            kernel.unfollow(log.source);
        }
        if let Some(inotify) = &mut self.inotify {
            inotify.unfollow(log);
        }
    }

    /// Its directory went away, and inotify's watch with it.
    pub(super) fn dropped(&mut self, source: SourceToken) {
        if let Some(kernel) = &mut self.kernel {
            kernel.unfollow(source);
        }
    }

    /// A name of `log` came or went. An error, in words, if its file cannot be followed any more.
    pub(super) fn refollow(&mut self, log: &Log) -> Result<Refollowed, String> {
        match &mut self.kernel {
            Some(kernel) => kernel.refollow(log),
            None => Ok(Refollowed::Same),
        }
    }

    /// The kernel watcher was silent on this mount: from now on inotify tells of writes there.
    pub(super) fn demote(&mut self, mount: &Path, rung: RungName) {
        let why = format!("{} was silent about a write that a look found", rung.as_str());
        tracing::warn!(
            mount = %mount.display(), why,
            "inotify takes over on this mount; the kernel watcher is tried again within the hour"
        );
        self.demoted.insert(mount.to_owned(), why);
    }

    /// Says once what limit was reached and how to raise it.
    pub(super) fn report(&mut self, refusal: Option<&Refusal>) {
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Climbed {
    Yes,
    No,
}
