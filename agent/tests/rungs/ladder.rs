//! The watcher itself, on each file system: which rung it takes, and that a write is news.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::thread::CapabilitySet;
use sluice::core::SourceToken;
use sluice::kernel::{Identity, Kernel, Settings};
use sluice::sys::PrivilegedThread;
use sluice::watch::{Listeners, News, RungName, Standing, WatchSettings, Watcher};
use sluice_vm::contract::Place;

const SOURCE: SourceToken = SourceToken(1);

/// An emulated processor on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const NEVER: Duration = Duration::from_secs(3_600);

pub(crate) fn on_each(places: &[Place]) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    for place in places {
        let Ok(path) = &place.path else { continue };
        let dir = path.join("ladder");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        match one(&dir) {
            Ok(standing) => {
                let (rung, why) = (standing.rung.as_str(), &standing.why);
                lines.push(format!("{:<10}{rung:<12}{why}", place.name));
            }
            Err(fault) => faults.push(format!("ladder on {}: {fault}", place.name)),
        }
        let _ = fs::remove_dir_all(&dir);
    }
    (lines, faults)
}

pub(crate) fn start(prove_in: &Path) -> (Watcher, Receiver<News>) {
    let (sender, news) = channel();
    let sender = Mutex::new(sender);
    let listeners = Listeners {
        news: Arc::new(move |news| {
            let _ = sender.lock().unwrap().send(news);
        }),
        sighting: Arc::new(|_| true),
    };
    let settings = WatchSettings {
        sweep_interval: NEVER,
        rescan_interval: NEVER,
        prove_in: Some(prove_in.to_owned()),
        ..WatchSettings::default()
    };
    (
        Watcher::start(
            PrivilegedThread::spawn("watch", CapabilitySet::empty()).unwrap(),
            settings,
            listeners,
        )
        .unwrap(),
        news,
    )
}

/// Followed, written, rotated and written again.
fn one(dir: &Path) -> Result<Standing, String> {
    let path = dir.join("x-json.log");
    fs::write(&path, "before\n").unwrap();
    let (watcher, news) = start(dir);
    watcher.follow(SOURCE, dir.to_owned(), "x-json.log".to_owned());
    let told = |what: &str, names: bool| {
        let until = Instant::now() + PATIENCE;
        while let Ok(told) = news.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if told.names == names {
                watcher.seen(SOURCE);
                return Ok(());
            }
        }
        Err(format!("{what} was no news"))
    };
    told("what was there", true)?;
    for turn in 0..3 {
        // Past the first tick of tmpfs's clock.
        std::thread::sleep(Duration::from_millis(20));
        let mut log = OpenOptions::new().append(true).open(&path).unwrap();
        log.write_all(b"line\n").unwrap();
        told(&format!("write {turn}"), false)?;
        fs::rename(&path, dir.join(format!("x-json.log.{turn}"))).unwrap();
        File::create(&path).unwrap();
        told(&format!("rotation {turn}"), true)?;
        // Looks of before are over.
        std::thread::sleep(Duration::from_millis(1_200));
        while news.try_recv().is_ok() {}
        watcher.seen(SOURCE);
    }
    let rung = watcher.rung(SOURCE).unwrap();
    let expected = expected(dir);
    if rung != expected {
        return Err(format!("on {}, and {} can be had", rung.as_str(), expected.as_str()));
    }
    let standing = watcher.standings().into_iter().next().unwrap();
    watcher.stop();
    Ok(standing)
}

/// What the kernel gives for this directory.
fn expected(dir: &Path) -> RungName {
    let settings = Settings { prove_in: Some(dir.to_owned()), ..Settings::default() };
    let Ok(mut kernel) = Kernel::open(&settings) else { return RungName::Inotify };
    match Identity::of(File::open(dir).unwrap()) {
        Ok(identity) => {
            kernel.news_variant(identity.file_system).map_or(RungName::Inotify, RungName::from)
        }
        Err(_) => RungName::Inotify,
    }
}
