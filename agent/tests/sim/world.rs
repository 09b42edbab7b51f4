//! One seeded run: writers, crashes, faults, and at the end the books.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use sluice::checkpoint::{Commit, SourceRecord};
use sluice::core::{JoinSide, Now, Origin, SourceKey, SourceToken};
use sluice::decode::Format;
use sluice::encode::{Codec, Rules, Shape, Target, Zone, document, inflate};
use sluice::read::Begin;
use sluice::ship::{self, Letter, ShipSettings, Shipper};
use sluice::watch::{Begun, News};
use sluice::worker::{Follow, Input, Output, Worker, WorkerCounters, WorkerSettings};

use crate::disk::{Disk, SimFiles};
use crate::rng::Rng;
use crate::server::{Answer, Server};
use crate::traffic::Traffic;
use crate::writer::{Container, Joins, LATE, NEVER_MS, Options};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;

pub(crate) struct World {
    pub traffic: Traffic,
    seed: u64,
    rng: Rng,
    now: Now,
    disk: Rc<RefCell<Disk>>,
    containers: Vec<Container>,
    server: Server,
    store: BTreeMap<SourceKey, Vec<u8>>,
    agent: Option<Agent>,
    lives: u64,
    crashes_left: u64,
    scenario: Scenario,
    events: BinaryHeap<Reverse<(u64, u64)>>,
    pending: BTreeMap<u64, Event>,
    next_event: u64,
    losses: Vec<String>,
    /// Documents that became dead letters, which counts as arrived.
    letters: BTreeMap<(String, String), Value>,
    /// Containers that were removed.
    removed: BTreeSet<usize>,
    /// When names last changed.
    rotated_mono_ns: u64,
}

/// What a seed may do.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    /// The state is deleted at a crash: possible only where no timer decides a boundary.
    wipes: bool,
    /// Rules change at a restart.
    changes_rules: bool,
    /// Containers are removed when they have ended.
    removes: bool,
    event_bytes_max: u32,
}

struct Agent {
    life: u64,
    since_mono_ns: u64,
    worker: Worker<SimFiles>,
    shipper: Shipper,
    inputs: Vec<Input>,
    ship_inputs: Vec<ship::Input>,
    worker_wake: Option<u64>,
    ship_wake: Option<u64>,
}

enum Event {
    Write(usize),
    Committed(u64, Commit),
    Request(u64, ship::Request),
    Answer(u64, ship::RequestId, Answer),
    Letter(u64, ship::LetterId),
    News(u64, News),
    Crash,
    Start,
    Refuse,
    Remove(usize),
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let wipes = rng.one_in(5);
        let scenario = Scenario {
            wipes,
            changes_rules: !wipes && rng.one_in(3),
            removes: rng.one_in(3),
            event_bytes_max: if rng.one_in(3) { 300 } else { 4 << 20 },
        };
        // 2026-11-26 00:00 UTC, a while before or after.
        let midnight = 1_795_651_200_000_000_000;
        let wall = match rng.below(3) {
            0 => midnight - rng.below(60) as i64 * SECOND as i64,
            _ => midnight + rng.below(86_400) as i64 * SECOND as i64,
        };
        let now = Now { mono_ns: SECOND, wall_ns: wall };
        let disk = Rc::new(RefCell::new(Disk::default()));
        let mut world = Self {
            traffic: Traffic::default(),
            seed,
            now,
            disk,
            containers: Vec::new(),
            server: Server {
                fault_every: rng.below(8),
                poison_every: if rng.one_in(4) { 20 } else { 0 },
                ..Server::default()
            },
            store: BTreeMap::new(),
            agent: None,
            lives: 0,
            crashes_left: rng.below(6),
            scenario,
            events: BinaryHeap::new(),
            pending: BTreeMap::new(),
            next_event: 0,
            losses: Vec::new(),
            letters: BTreeMap::new(),
            removed: BTreeSet::new(),
            rotated_mono_ns: 0,
            rng,
        };
        for number in 0..world.rng.between(1, 4) {
            let options = Options {
                piece: world.rng.between(20, 200) as usize,
                max_size: world.rng.between(400, 20_000) as usize,
                compress: world.rng.one_in(3),
                attrs: world.rng.one_in(3),
                // Their day is in the journal alone, which a wipe takes.
                raw: !wipes,
                prompts: !wipes && world.rng.one_in(2),
                text: !wipes && world.rng.one_in(3),
                joins: world.rng.one_in(2).then(|| Joins {
                    side: [JoinSide::Before, JoinSide::Behind][world.rng.below(2) as usize],
                    lines_max: [1, 2, 3, 500][world.rng.below(4) as usize],
                    timeout_ms: match world.rng.below(3) {
                        0 if !wipes => 1_000,
                        1 if !wipes => 5_000,
                        _ => NEVER_MS,
                    },
                }),
            };
            let lines = world.rng.between(1, 150);
            let mut disk = world.disk.borrow_mut();
            let container = Container::new(number, options, lines, &mut disk, world.now.wall_ns);
            drop(disk);
            world.containers.push(container);
            world.after(0, 50 * MILLISECOND, Event::Write(number as usize));
        }
        world.after(0, SECOND, Event::Start);
        world.after(0, 3 * SECOND, Event::Crash);
        world.after(0, 3 * SECOND, Event::Refuse);
        world
    }

    fn after(&mut self, low: u64, high: u64, event: Event) {
        let at = self.now.mono_ns + self.rng.between(low, high);
        self.events.push(Reverse((at, self.next_event)));
        self.pending.insert(self.next_event, event);
        self.next_event += 1;
    }

    /// Runs to the end; `Err` says what is wrong with the books.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        let limit = self.now.mono_ns + 3_600 * SECOND;
        let mut quiet_since = None;
        while self.now.mono_ns < limit {
            self.drive();
            let settled = self.is_settled();
            match (settled, quiet_since) {
                (false, _) => quiet_since = None,
                (true, None) => {
                    // Nothing breaks any more, so everything has to arrive.
                    self.server.fault_every = 0;
                    self.server.refusing.clear();
                    quiet_since = Some(self.now.mono_ns);
                }
                (true, Some(since)) => {
                    let quiet = self.now.mono_ns - since;
                    let whole = quiet > 10 * SECOND && self.check().is_ok();
                    // Once whole, a little longer: something may still be sent twice.
                    let longer = if whole { 30 * SECOND } else { 300 * SECOND };
                    if quiet > longer {
                        break;
                    }
                }
            }
            if !self.advance(settled) {
                break;
            }
        }
        self.check().map_err(|wrong| format!("{wrong}\n{}", self.describe()))
    }

    /// Where the agent stands, for whoever has to find out what went wrong.
    fn describe(&mut self) -> String {
        let (reply, positions) = crossbeam_channel::bounded(1);
        if let Some(agent) = &mut self.agent {
            let inputs = [Input::Positions(reply)];
            agent.worker.step(self.now, inputs, &mut Vec::new());
        }
        let mut text = format!("{:?}, after {} lives", self.scenario, self.lives);
        if let Some(agent) = &self.agent {
            let health = agent.shipper.health(self.now);
            text += &format!(
                "\n  worker: {}\n  ship: {health:?}, wakes {:?} of {}",
                agent.worker.describe(),
                agent.ship_wake,
                self.now.mono_ns
            );
        }
        for position in positions.try_iter().flatten() {
            text += &format!("\n  {position:?}");
        }
        for (directory, names) in &self.disk.borrow().directories {
            text += &format!("\n  {}", &directory.display().to_string()[70..]);
            for (name, inode) in names {
                let size = self.disk.borrow().inodes[*inode].bytes.len();
                text += &format!(" {}={inode}:{size}", &name[64..]);
            }
        }
        text
    }

    /// Nothing is being written, broken or due.
    fn is_settled(&self) -> bool {
        self.containers.iter().all(|container| container.ended)
            && self.crashes_left == 0
            && self.agent.is_some()
            && (!self.scenario.removes || self.removed.len() == self.containers.len())
    }

    /// Goes to the next moment at which something happens.
    fn advance(&mut self, settled: bool) -> bool {
        let event = self.events.peek().map(|Reverse((at, _))| *at);
        let agent = self.agent.as_ref();
        let wakes = agent
            .and_then(|agent| [agent.worker_wake, agent.ship_wake].into_iter().flatten().min());
        // Late completions have no event of their own.
        let poll = Some(self.now.mono_ns + if settled { SECOND } else { 20 * MILLISECOND });
        let Some(next) = [event, wakes, poll].into_iter().flatten().min() else { return false };
        let step = next.saturating_sub(self.now.mono_ns).max(1);
        self.now.mono_ns += step;
        self.now.wall_ns += step as i64;
        while let Some(Reverse((at, number))) = self.events.peek().copied() {
            if at > self.now.mono_ns {
                break;
            }
            self.events.pop();
            if let Some(event) = self.pending.remove(&number) {
                self.happen(event);
            }
        }
        true
    }

    fn happen(&mut self, event: Event) {
        let life = self.agent.as_ref().map(|agent| agent.life);
        match event {
            Event::Write(number) => self.write(number),
            Event::Committed(of, commit) => {
                let sequence = commit.sequence;
                self.apply(commit);
                if let Some(agent) = self.agent.as_mut().filter(|agent| agent.life == of) {
                    agent.inputs.push(Input::Committed(sequence));
                }
            }
            Event::Request(of, request) => {
                let answer = self.server.answer(&request.kind, &mut self.rng, self.now.mono_ns);
                self.traffic.request(self.now.mono_ns, of, &request, &answer);
                let ship::Request { id, kind, .. } = request;
                if std::env::var_os("SLUICE_SIM_SEED").is_some() {
                    let what = match &kind {
                        ship::RequestKind::Bulk { cut, .. } => format!(
                            "bulk of {} {:?}",
                            cut.batch.documents.len(),
                            cut.keep.as_ref().map(|keep| keep.len())
                        ),
                        other => format!("{other:?}"),
                    };
                    println!(
                        "{:>14} {what:.200} -> {:.300}",
                        self.now.mono_ns,
                        format!("{answer:?}")
                    );
                }
                self.after(0, 30 * MILLISECOND, Event::Answer(of, id, answer));
            }
            Event::Answer(of, request, result) if life == Some(of) => {
                let input = ship::Input::Answer { request, result };
                self.agent.as_mut().expect("it lives").ship_inputs.push(input);
            }
            Event::Letter(of, letter) if life == Some(of) => {
                let input = ship::Input::DeadLetterWritten { letter, result: Ok(()) };
                self.agent.as_mut().expect("it lives").ship_inputs.push(input);
            }
            Event::News(of, news) if life == Some(of) => {
                self.agent.as_mut().expect("it lives").inputs.push(Input::News(news));
            }
            Event::Answer(..) | Event::Letter(..) | Event::News(..) => {}
            Event::Crash => self.crash(),
            Event::Start => self.start(),
            Event::Refuse => self.refuse(),
            Event::Remove(number) => self.remove(number),
        }
    }

    fn write(&mut self, number: usize) {
        let container = &mut self.containers[number];
        let mut disk = self.disk.borrow_mut();
        let late = container.late.len();
        let names = container.write(&mut disk, &mut self.rng, self.now.wall_ns);
        drop(disk);
        let ended = container.ended;
        if names || container.late.len() > late {
            self.rotated_mono_ns = self.now.mono_ns;
        }
        if ended && self.scenario.removes {
            self.after(0, 20 * SECOND, Event::Remove(number));
        }
        if let Some(agent) = &mut self.agent {
            let (life, source) = (agent.life, SourceToken(number as u32));
            if ended {
                agent.inputs.push(Input::Ended(source, true));
            }
            let news = News { source, names, begun: Begun::default() };
            self.after(0, 20 * MILLISECOND, Event::News(life, news));
        }
        if !ended {
            // Bursts, and now and then a long silence that lets timers run out.
            let (low, high) = match self.rng.below(30) {
                0 => (6 * SECOND, 9 * SECOND),
                1..6 => (MILLISECOND, 300 * MILLISECOND),
                _ => (0, 5 * MILLISECOND),
            };
            self.after(low, high, Event::Write(number));
        }
    }

    /// The runtime removes an ended container. Only while an agent runs that has had the time to
    /// open all of its files, and does not crash any more: else bytes are truly gone.
    fn remove(&mut self, number: usize) {
        let settled =
            self.crashes_left == 0 && self.now.mono_ns > self.rotated_mono_ns + 5 * SECOND;
        let since = self.agent.as_ref().map(|agent| agent.since_mono_ns);
        if !settled || since.is_none_or(|since| self.now.mono_ns < since + 5 * SECOND) {
            return self.after(SECOND, 5 * SECOND, Event::Remove(number));
        }
        self.disk.borrow_mut().remove_directory(&self.containers[number].directory);
        self.removed.insert(number);
        let agent = self.agent.as_mut().expect("it lives");
        agent.inputs.push(Input::Removed(SourceToken(number as u32)));
    }

    /// An index closes, or turns read-only, for a while.
    fn refuse(&mut self) {
        let names: Vec<String> =
            self.server.documents.keys().map(|(index, _)| index.clone()).collect();
        if !names.is_empty() && self.server.fault_every > 0 {
            let name = names[self.rng.below(names.len() as u64) as usize].clone();
            let until = self.now.mono_ns + self.rng.between(SECOND, 20 * SECOND);
            let kind =
                ["index_closed_exception", "cluster_block_exception"][self.rng.below(2) as usize];
            self.server.refusing.insert(name, (until, kind));
        }
        if !self.is_settled() {
            self.after(SECOND, 15 * SECOND, Event::Refuse);
        }
    }

    fn crash(&mut self) {
        if self.crashes_left == 0 {
            return;
        }
        self.crashes_left -= 1;
        if self.agent.take().is_some() {
            // What was on its way to disk may have arrived or not; requests go on by themselves.
            let commits: Vec<u64> = self
                .pending
                .iter()
                .filter(|(_, event)| matches!(event, Event::Committed(..)))
                .map(|(number, _)| *number)
                .collect();
            for number in commits {
                if let Some(Event::Committed(_, commit)) = self.pending.remove(&number)
                    && self.rng.one_in(2)
                {
                    self.apply(commit);
                }
            }
            if self.scenario.wipes && self.rng.one_in(2) {
                self.store.clear();
            }
            self.after(0, 5 * SECOND, Event::Start);
        }
        self.after(0, 10 * SECOND, Event::Crash);
    }

    fn apply(&mut self, commit: Commit) {
        self.traffic.commit(self.now.mono_ns, self.lives, &commit);
        for (key, value) in commit.puts {
            match value {
                Some(bytes) => self.store.insert(key, bytes),
                None => self.store.remove(&key),
            };
        }
    }

    fn rules(&mut self) -> Rules {
        let (mut target, mut zone) = ("sim".to_owned(), Zone::Utc);
        if self.scenario.changes_rules {
            target = format!("sim{}", self.rng.below(3));
            if self.rng.one_in(2) {
                zone = Zone::Fixed { seconds: 8 * 3_600 };
            }
        }
        Rules { target, zone, event_bytes_max: self.scenario.event_bytes_max, ..Rules::default() }
    }

    fn start(&mut self) {
        if self.agent.is_some() {
            return;
        }
        self.lives += 1;
        let settings = WorkerSettings {
            index: 0,
            shape: Shape::Ecs,
            codec: if self.rng.one_in(2) { Codec::Stored } else { Codec::Sluice },
            batch_bytes: self.rng.between(500, 20_000) as usize,
            flush_interval: Duration::from_millis(self.rng.below(400)),
            partial_timeout: Duration::from_secs(if self.scenario.wipes { 100_000 } else { 5 }),
            commit_interval: Duration::from_secs(1),
        };
        let rng = Rng::new(self.rng.next());
        let files = SimFiles { disk: self.disk.clone(), rng, late: Vec::new(), scans: Vec::new() };
        let worker = Worker::new(settings, WorkerCounters::default(), files);
        let shipper = Shipper::new(ShipSettings::default(), self.rng.next());
        let mut inputs = Vec::new();
        let rules = self.rules();
        for (number, container) in self.containers.iter().enumerate() {
            if self.removed.contains(&number) {
                continue;
            }
            let key = container.key();
            let is_off = self.scenario.changes_rules && self.rng.one_in(4);
            let join = container.joins().filter(|_| !is_off).map(|joins| joins.rules());
            let target = Target::new(Rules { join, ..rules.clone() }).expect("a legal zone");
            let record = self
                .store
                .get(&key)
                .map(|bytes| SourceRecord::from_bytes(bytes).expect("what was stored can be read"));
            inputs.push(Input::Follow(Box::new(Follow {
                source: SourceToken(number as u32),
                key,
                directory: container.directory.clone().into(),
                format: container.format(),
                current: container.current.clone(),
                path: format!("/log/{number}"),
                origin: Origin {
                    container_id: container.id.clone(),
                    container_name: format!("sim-{number}"),
                    image: "sim:1".to_owned(),
                    node: "node".to_owned(),
                    ..Origin::default()
                },
                target: target.into(),
                opened: Vec::new(),
                record,
                begin: Begin::default(),
                ended: container.ended,
            })));
        }
        self.agent = Some(Agent {
            life: self.lives,
            since_mono_ns: self.now.mono_ns,
            worker,
            shipper,
            inputs,
            ship_inputs: Vec::new(),
            worker_wake: Some(0),
            ship_wake: Some(0),
        });
    }

    /// Lets the agent do all that it can at this moment.
    fn drive(&mut self) {
        let Some(mut agent) = self.agent.take() else { return };
        for _ in 0..10_000 {
            let (mut outputs, mut ship_outputs) = (Vec::new(), Vec::new());
            agent.worker_wake = agent.worker.step(self.now, agent.inputs.drain(..), &mut outputs);
            let worker_idle = outputs.is_empty();
            for output in outputs {
                match output {
                    Output::Send(batch) => agent.ship_inputs.push(ship::Input::Batch(batch)),
                    Output::Commit(commit) => {
                        self.after(0, 40 * MILLISECOND, Event::Committed(agent.life, commit));
                    }
                    Output::Lost(loss) => self.losses.push(format!("{loss:?}")),
                    Output::Gone(..) => {}
                }
            }
            agent.ship_wake =
                agent.shipper.step(self.now, agent.ship_inputs.drain(..), &mut ship_outputs);
            let ship_idle = ship_outputs.is_empty();
            for output in ship_outputs {
                self.shipped(&mut agent, output);
            }
            let due = |wake: Option<u64>| wake.is_some_and(|at| at <= self.now.mono_ns);
            let idle = worker_idle && ship_idle && agent.inputs.is_empty();
            if idle && !due(agent.worker_wake) && !due(agent.ship_wake) {
                self.agent = Some(agent);
                return;
            }
        }
        let seed = self.seed;
        self.agent = Some(agent);
        panic!("seed {seed}: the agent never comes to rest\n{}", self.describe());
    }

    fn shipped(&mut self, agent: &mut Agent, output: ship::Output) {
        match output {
            ship::Output::Request(request) => {
                self.after(0, 20 * MILLISECOND, Event::Request(agent.life, request));
            }
            ship::Output::Receipt { receipt, .. } => agent.inputs.push(Input::Receipt(receipt)),
            ship::Output::WriteDeadLetter { letter, batch, documents } => {
                self.traffic.letters(self.now.mono_ns, agent.life, &batch, &documents);
                let body = inflate(&batch).expect("the batch is whole");
                for Letter { document: number, .. } in documents {
                    let text = &body[document(&batch, number as usize)];
                    let lines: Vec<Value> = std::str::from_utf8(text)
                        .expect("JSON")
                        .lines()
                        .map(|line| serde_json::from_str(line).expect("JSON"))
                        .collect();
                    let name =
                        |key: &str| lines[0]["create"][key].as_str().expect("there").to_owned();
                    self.letters.insert((name("_index"), name("_id")), lines[1].clone());
                }
                self.after(0, 20 * MILLISECOND, Event::Letter(agent.life, letter));
            }
            ship::Output::Warn(warning) if std::env::var_os("SLUICE_SIM_SEED").is_some() => {
                println!("{:>14} {warning:?}", self.now.mono_ns);
            }
            ship::Output::ReloadCredentials | ship::Output::Warn(_) => {}
        }
    }

    /// Lines without a time have the day that they were first seen on, so they come in no order;
    /// each has to be there once.
    fn check_raw(&self, container: &Container) -> Result<(), String> {
        let documents = self.server.documents.iter().chain(&self.letters);
        let mut received: Vec<&str> = documents
            .map(|(_, document)| document)
            .filter(|document| document["container"]["id"] == container.id.as_str())
            .filter(|document| document["event"]["undated"] == true)
            .map(|document| document["message"].as_str().expect("a message"))
            .collect();
        received.sort_unstable();
        let mut written: Vec<&str> = container.raw.iter().map(String::as_str).collect();
        written.sort_unstable();
        if received == written {
            return Ok(());
        }
        Err(format!("undated lines: wrote {written:?}, received {received:?}"))
    }

    /// What came late to a file stands behind later lines; it has to be there once.
    fn check_late(&self, container: &Container) -> Result<(), String> {
        let documents = self.server.documents.iter().chain(&self.letters);
        let mut received: Vec<&str> = documents
            .filter(|(_, document)| document["container"]["id"] == container.id.as_str())
            .filter_map(|(_, document)| document["message"].as_str())
            // The line before it may have asked for the next one.
            .flat_map(|message| message.split('\n'))
            .filter(|line| line.starts_with(LATE))
            .collect();
        received.sort_unstable();
        let mut written: Vec<&str> = container.late.iter().map(String::as_str).collect();
        written.sort_unstable();
        if received == written {
            return Ok(());
        }
        Err(format!("late lines: wrote {written:?}, received {received:?}"))
    }

    fn check(&self) -> Result<(), String> {
        if let Some(loss) = self.losses.first() {
            return Err(format!("a loss was declared where none can be: {loss}"));
        }
        if let Some(different) = &self.server.different {
            return Err(format!("a document was made again and is another one: {different}"));
        }
        let kept = |number: &&usize| self.store.contains_key(&self.containers[**number].key());
        if let Some(number) = self.removed.iter().find(kept) {
            return Err(format!(
                "container {number} is removed and delivered, and still in the store"
            ));
        }
        for container in &self.containers {
            let is_text = container.format() == Format::Text;
            if is_text {
                self.check_late(container)?;
            } else {
                self.check_raw(container)?;
            }
            // A file is neither, and its lines have no time.
            let streams =
                if is_text { &[Value::Null][..] } else { &["stdout".into(), "stderr".into()] };
            for (stream, name) in streams.iter().enumerate() {
                let mut documents: Vec<(&str, &str, bool)> = self
                    .server
                    .documents
                    .iter()
                    .chain(&self.letters)
                    .map(|(_, document)| document)
                    .filter(|document| {
                        document["container"]["id"] == container.id.as_str()
                            && document["stream"] == *name
                            && document["event"]["undated"].is_null() != is_text
                            && !(is_text && is_late(document["message"].as_str()))
                    })
                    .map(|document| {
                        let order = document["log"]["order"].as_str().expect("an order");
                        let message = document["message"].as_str().expect("a message");
                        (order, message, document["event"]["partial"] == true)
                    })
                    .collect();
                documents.sort_unstable();
                if std::env::var_os("SLUICE_SIM_SEED").is_some() {
                    for (order, message, is_part) in &documents {
                        println!("{} {name} {order} {is_part} {message:?}", &container.id[60..]);
                    }
                }
                let received: String = documents
                    .iter()
                    .flat_map(|(_, message, _)| message.split('\n'))
                    .filter(|line| !(is_text && is_late(Some(line))))
                    .collect();
                let written = &container.written[stream];
                if received != *written {
                    return Err(difference(&container.id, &name.to_string(), written, &received));
                }
                if let Some(joins) = container.joins().filter(|_| !self.scenario.changes_rules) {
                    check_joined(joins, &documents, container.is_steady())
                        .map_err(|wrong| format!("{} {name}: {wrong}", &container.id[60..]))?;
                }
            }
        }
        Ok(())
    }
}

fn is_late(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.starts_with(LATE))
}

/// Lines of one event belong together; and where nothing but the end of the log and the limits may
/// part them, all that belong together are one event, or its parts say so. The parts of a line stand
/// alone.
fn check_joined(
    joins: Joins,
    documents: &[(&str, &str, bool)],
    is_steady: bool,
) -> Result<(), String> {
    for (_, message, _) in documents {
        let lines: Vec<&str> = message.split('\n').collect();
        if lines.len() > joins.lines_max as usize {
            return Err(format!("too many lines in {message:?}"));
        }
        if lines.windows(2).any(|lines| !joins.belong(lines[0], lines[1])) {
            return Err(format!("joined what does not belong together: {message:?}"));
        }
    }
    for pair in documents.windows(2).filter(|_| is_steady) {
        let [(_, one, is_part), (_, next, goes_on)] = pair else { continue };
        let last = one.rsplit('\n').next().unwrap_or_default();
        if !*is_part && !*goes_on && joins.belong(last, next) {
            return Err(format!("one event is two: {one:?} and {next:?}"));
        }
    }
    Ok(())
}

fn difference(id: &str, stream: &str, written: &str, received: &str) -> String {
    let same = written.bytes().zip(received.bytes()).take_while(|(a, b)| a == b).count();
    let show = |text: &str| {
        let bytes = &text.as_bytes()[same.saturating_sub(30).min(text.len())..];
        String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned()
    };
    format!(
        "container {} {stream}: wrote {} bytes, received {}; equal up to {same}\n  wrote    …{}\n  received …{}",
        &id[60..],
        written.len(),
        received.len(),
        show(written),
        show(received)
    )
}
