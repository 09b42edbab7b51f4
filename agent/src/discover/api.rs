//! The engine's API: its events are hints to ask, its list is the truth.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerSummary, EventMessage};
use bollard::query_parameters::{
    EventsOptions, EventsOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker, errors::Error};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::core::Now;
use crate::watch::is_container_id;

use super::Counters;
use super::books::{Clock, Tick};
use super::describe::{View, from_api};

/// Requests in flight: enough to hide their time, too few to weigh on the engine.
const INSPECTS_MAX: usize = 4;

/// One request; an engine under load answers a list of thousands in seconds.
const ANSWER_SECONDS: u64 = 30;

/// How far before now the events begin: its clock is ours, but an event is dated before it is
/// sent.
const OVERLAP: Duration = Duration::from_secs(2);

const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(15);

/// What the API's task tells.
#[derive(Debug)]
pub(super) enum Word {
    /// The connection stands; the engine's data root as the host names it.
    Engine {
        data_root: Option<PathBuf>,
    },
    Listed {
        began: Tick,
        ids: Vec<String>,
    },
    Inspected {
        began: Tick,
        id: String,
        view: Option<Box<View>>,
    },
    Away,
}

pub(super) struct Api {
    pub(super) socket: PathBuf,
    pub(super) relist_interval: Duration,
    pub(super) words: mpsc::Sender<Word>,
    /// Containers that someone wants to be asked about.
    pub(super) wanted: mpsc::Receiver<String>,
    pub(super) clock: Clock,
    pub(super) counters: Counters,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("docker api at {socket}: {request}: {source}")]
    Request { socket: PathBuf, request: &'static str, source: Error },
    #[error("docker api at {socket}: the event stream ended")]
    EventsEnded { socket: PathBuf },
    #[error("docker socket path {0} is no text")]
    SocketName(PathBuf),
    /// Nobody listens any more.
    #[error("discovery ended")]
    Ended,
}

/// Containers to ask about, each once at a time.
#[derive(Default)]
struct Questions {
    waiting: VecDeque<String>,
    /// Waiting or asked; true if it has to be asked again after the answer on its way.
    open: HashMap<String, bool>,
}

impl Questions {
    fn add(&mut self, id: String) {
        if let Some(again) = self.open.get_mut(&id) {
            *again = true;
            return;
        }
        self.waiting.push_back(id.clone());
        self.open.insert(id, false);
    }

    fn next(&mut self) -> Option<String> {
        let id = self.waiting.pop_front()?;
        self.open.insert(id.clone(), false);
        Some(id)
    }

    fn answered(&mut self, id: &str) {
        if self.open.remove(id) == Some(true) {
            self.add(id.to_owned());
        }
    }
}

impl Api {
    pub(super) async fn run(mut self) {
        let mut backoff = BACKOFF_MIN;
        let mut reported = String::new();
        loop {
            let began = Instant::now();
            let error = match self.session().await {
                Err(ApiError::Ended) | Ok(()) => return,
                Err(error) => error,
            };
            self.counters.api_errors.inc();
            self.counters.api_up.set(0);
            let text = error.to_string();
            if text != reported {
                tracing::warn!(error = %text, "going on by directory");
                reported = text;
            }
            if self.words.send(Word::Away).await.is_err() {
                return;
            }
            if began.elapsed() > BACKOFF_MAX {
                backoff = BACKOFF_MIN;
                reported.clear();
            }
            sleep(jittered(backoff)).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// One connection's life. Gives only errors, or `Ok` when discovery ended.
    async fn session(&mut self) -> Result<(), ApiError> {
        let docker = self.connect().await?;
        let info = docker.info().await.map_err(|source| failed(&self.socket, "info", source))?;
        self.tell(Word::Engine { data_root: info.docker_root_dir.map(PathBuf::from) }).await?;
        self.counters.api_connects.inc();
        // Subscribed from before the list, so that nothing falls between the two.
        let mut events = pin!(docker.events(Some(events_since(Now::read()))));
        let mut asked = FuturesUnordered::new();
        let mut questions = Questions::default();
        let mut summaries = HashMap::new();
        let mut list = Some(Box::pin(list_all(&docker, self.clock.tick())));
        let mut relist_at = Instant::now() + jittered(self.relist_interval);
        loop {
            while asked.len() < INSPECTS_MAX
                && let Some(id) = questions.next()
            {
                asked.push(inspect(&docker, id, self.clock.tick()));
            }
            tokio::select! {
                event = events.next() => {
                    if let Some(id) = self.heard(event)? {
                        questions.add(id);
                    }
                }
                (began, listed) = in_flight(list.as_mut()) => {
                    list = None;
                    let listed = listed.map_err(|error| failed(&self.socket, "list", error))?;
                    self.counters.api_lists.inc();
                    self.counters.api_up.set(1);
                    let ids = note(&mut summaries, &listed, &mut questions);
                    self.tell(Word::Listed { began, ids }).await?;
                }
                Some(answer) = asked.next() => {
                    questions.answered(&answer.id);
                    if answer.is_failure() {
                        // The next list asks again.
                        summaries.remove(&answer.id);
                    }
                    self.pass(answer).await?;
                }
                wanted = self.wanted.recv() => match wanted {
                    Some(id) => questions.add(id),
                    None => return Ok(()),
                },
                () = sleep_until(relist_at) => {
                    relist_at = Instant::now() + jittered(self.relist_interval);
                    if list.is_none() {
                        list = Some(Box::pin(list_all(&docker, self.clock.tick())));
                    }
                }
            }
        }
    }

    async fn connect(&self) -> Result<Docker, ApiError> {
        let path = self.socket.to_str().ok_or_else(|| ApiError::SocketName(self.socket.clone()))?;
        let docker = Docker::connect_with_unix(path, ANSWER_SECONDS, API_DEFAULT_VERSION)
            .map_err(|source| failed(&self.socket, "connect", source))?;
        // The engine refuses versions outside its range, so its own maximum is asked for.
        docker.negotiate_version().await.map_err(|source| failed(&self.socket, "version", source))
    }

    /// The container that an event gives reason to ask about.
    fn heard(
        &self,
        event: Option<Result<EventMessage, Error>>,
    ) -> Result<Option<String>, ApiError> {
        match event {
            Some(Ok(event)) => {
                self.counters.events.inc();
                let id = event.actor.and_then(|actor| actor.id);
                Ok(id.filter(|id| is_container_id(id)))
            }
            // An event of a shape that the library does not know.
            Some(Err(Error::JsonDataError { .. } | Error::JsonSerdeError { .. })) => {
                self.counters.api_errors.inc();
                Ok(None)
            }
            Some(Err(source)) => Err(failed(&self.socket, "events", source)),
            None => Err(ApiError::EventsEnded { socket: self.socket.clone() }),
        }
    }

    async fn pass(&self, answer: Answer) -> Result<(), ApiError> {
        let Answer { began, id, result } = answer;
        let view = match result {
            Ok(inspected) => Some(Box::new(from_api(&id, inspected))),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => None,
            Err(source) => {
                // One odd container does not end the session; its directory still speaks for it.
                self.counters.api_errors.inc();
                tracing::debug!(container = %id, error = %source, "cannot inspect");
                return Ok(());
            }
        };
        self.tell(Word::Inspected { began, id, view }).await
    }

    async fn tell(&self, word: Word) -> Result<(), ApiError> {
        self.words.send(word).await.map_err(|_| ApiError::Ended)
    }
}

struct Answer {
    began: Tick,
    id: String,
    result: Result<ContainerInspectResponse, Error>,
}

impl Answer {
    /// Neither an account nor the word that there is no such container.
    fn is_failure(&self) -> bool {
        !matches!(
            self.result,
            Ok(_) | Err(Error::DockerResponseServerError { status_code: 404, .. })
        )
    }
}

async fn inspect(docker: &Docker, id: String, began: Tick) -> Answer {
    let result = docker.inspect_container(&id, None::<InspectContainerOptions>).await;
    Answer { began, id, result }
}

type Listing = (Tick, Result<Vec<ContainerSummary>, Error>);

async fn list_all(docker: &Docker, began: Tick) -> Listing {
    let options = ListContainersOptionsBuilder::new().all(true).build();
    (began, docker.list_containers(Some(options)).await)
}

/// Never ready while there is none.
async fn in_flight<F: Future<Output = Listing> + Unpin>(list: Option<&mut F>) -> Listing {
    match list {
        Some(list) => list.await,
        None => pending().await,
    }
}

/// What a list shows of a container: enough to see that it has to be asked about again.
type Summary = (Vec<String>, Option<String>);

fn note(
    summaries: &mut HashMap<String, Summary>,
    listed: &[ContainerSummary],
    questions: &mut Questions,
) -> Vec<String> {
    let mut now = HashMap::with_capacity(listed.len());
    for container in listed {
        let Some(id) = &container.id else { continue };
        let state = container.state.as_ref().map(ToString::to_string);
        let summary = (container.names.clone().unwrap_or_default(), state);
        if summaries.get(id) != Some(&summary) {
            questions.add(id.clone());
        }
        now.insert(id.clone(), summary);
    }
    *summaries = now;
    summaries.keys().cloned().collect()
}

/// Only what changes something here: `exec_*` and health checks come by the hundred.
fn events_since(now: Now) -> EventsOptions {
    let since = Duration::from_nanos(now.wall_ns.max(0) as u64).saturating_sub(OVERLAP);
    let since = format!("{}.{:09}", since.as_secs(), since.subsec_nanos());
    let filters = HashMap::from([
        ("type", vec!["container"]),
        ("event", vec!["create", "start", "restart", "die", "destroy", "rename", "update"]),
    ]);
    EventsOptionsBuilder::new().since(&since).filters(&filters).build()
}

fn failed(socket: &Path, request: &'static str, source: Error) -> ApiError {
    ApiError::Request { socket: socket.to_owned(), request, source }
}

fn jittered(wait: Duration) -> Duration {
    // Four fifths to six fifths, so that the agents of many nodes drift apart. The low digits of
    // the clock are random enough for that.
    let share = Now::read().wall_ns.rem_euclid(401) as u32 + 800;
    wait * share / 1_000
}
