//! A store with faults, answering as Elasticsearch 8 does.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};
use sluice::encode::{inflate, select};
use sluice::ship::{Cut, HttpAnswer, Question, RequestKind, Sent, TransportError, TransportFault};

use crate::rng::Rng;

#[derive(Default)]
pub(crate) struct Server {
    pub documents: BTreeMap<(String, String), Value>,
    /// One in this many requests meets a fault; 0 is never.
    pub fault_every: u64,
    /// Indices that refuse until a time, and how.
    pub refusing: BTreeMap<String, (u64, &'static str)>,
    pub conflicts: u64,
    /// Another document that was offered under the id of one that is held.
    pub different: Option<String>,
    /// One in this many documents is one that no mapping takes; 0 is none.
    pub poison_every: u64,
}

pub(crate) type Answer = Result<HttpAnswer, TransportError>;

impl Server {
    pub(crate) fn answer(&mut self, kind: &RequestKind, rng: &mut Rng, mono_ns: u64) -> Answer {
        match kind {
            RequestKind::Probe => ok(&json!({
                "version": {"number": "8.19.21", "build_flavor": "default"},
                "tagline": "You Know, for Search"
            })),
            RequestKind::Mget { questions, .. } => self.mget(questions),
            RequestKind::Bulk { cut, .. } => self.bulk(cut, rng, mono_ns),
        }
    }

    fn mget(&self, questions: &[Question]) -> Answer {
        let docs: Vec<Value> = questions
            .iter()
            .map(|Question { index, id }| {
                match self.documents.get(&(index.to_string(), id.clone())) {
                    Some(source) => json!({
                        "_index": index, "_id": id, "found": true, "_source": source
                    }),
                    None => json!({"_index": index, "_id": id, "found": false}),
                }
            })
            .collect();
        ok(&json!({"docs": docs}))
    }

    fn bulk(&mut self, cut: &Cut, rng: &mut Rng, mono_ns: u64) -> Answer {
        let batch = match &cut.keep {
            Some(keep) => select(&cut.batch, keep).expect("the batch is whole"),
            None => (*cut.batch).clone(),
        };
        let body = String::from_utf8(inflate(&batch).expect("the batch is whole")).expect("JSON");
        let lines: Vec<&str> = body.lines().collect();
        let faulty = self.fault_every > 0 && rng.one_in(self.fault_every);
        let fault = if faulty { rng.below(9) } else { u64::MAX };
        match fault {
            0 => return whole(429, "es_rejected_execution_exception"),
            1 => return whole(503, "cluster_block_exception"),
            2 => return Err(closed(Sent::Nothing)),
            3 => {
                // Written in part, then cut.
                let part = rng.below(lines.len() as u64 / 2 + 1) as usize;
                self.store(&lines[..part * 2], rng, mono_ns, false);
                return Err(closed(Sent::Part));
            }
            4 => {
                self.store(&lines, rng, mono_ns, false);
                return Err(closed(Sent::All));
            }
            5 => {
                let body = Bytes::from_static(b"<html>proxy</html>");
                let content_type = "text/html".to_owned();
                return Ok(HttpAnswer { status: 200, content_type, body });
            }
            6 => {
                // Fewer items than sent.
                let part = lines.len() / 4 * 2;
                let items = self.store(&lines[..part], rng, mono_ns, false);
                return ok(&json!({"errors": false, "items": items}));
            }
            7 if lines.len() > 2 => return Ok(answer(413, b"")),
            _ => {}
        }
        let items = self.store(&lines, rng, mono_ns, fault == 8);
        let errors = items.iter().any(|item| item["create"].get("error").is_some());
        ok(&json!({"errors": errors, "items": items}))
    }

    fn store(&mut self, lines: &[&str], rng: &mut Rng, mono_ns: u64, busy: bool) -> Vec<Value> {
        let mut items = Vec::new();
        for pair in lines.chunks(2) {
            let action: Value = serde_json::from_str(pair[0]).expect("an action line");
            let document: Value = serde_json::from_str(pair[1]).expect("a document");
            let index = action["create"]["_index"].as_str().expect("an index").to_owned();
            let id = action["create"]["_id"].as_str().expect("an id").to_owned();
            let refused = self.refusing.get(&index).filter(|(until, _)| *until > mono_ns);
            let failed = |status: u16, kind: &str| json!({"create": {"status": status, "error": {"type": kind, "reason": "told to"}}});
            let digits = id
                .bytes()
                .fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
            let poison = self.poison_every > 0 && digits % self.poison_every == 0;
            items.push(if poison {
                failed(400, "document_parsing_exception")
            } else if let Some((_, kind)) = refused {
                let status = if *kind == "index_closed_exception" { 400 } else { 403 };
                failed(status, kind)
            } else if busy && rng.one_in(3) {
                failed(429, "es_rejected_execution_exception")
            } else {
                use std::collections::btree_map::Entry;
                match self.documents.entry((index, id)) {
                    Entry::Vacant(free) => {
                        free.insert(document);
                        json!({"create": {"status": 201}})
                    }
                    Entry::Occupied(held) => {
                        if *held.get() != document {
                            self.different = Some(format!("{} and now {document}", held.get()));
                        }
                        self.conflicts += 1;
                        failed(409, "version_conflict_engine_exception")
                    }
                }
            });
        }
        items
    }
}

fn answer(status: u16, body: &[u8]) -> HttpAnswer {
    let content_type = "application/json".to_owned();
    HttpAnswer { status, content_type, body: Bytes::copy_from_slice(body) }
}

fn ok(body: &Value) -> Answer {
    Ok(answer(200, body.to_string().as_bytes()))
}

fn whole(status: u16, kind: &str) -> Answer {
    let body = json!({"error": {"type": kind, "reason": "told to"}, "status": status});
    Ok(answer(status, body.to_string().as_bytes()))
}

fn closed(sent: Sent) -> TransportError {
    TransportError { fault: TransportFault::Closed, sent, text: "cut".to_owned() }
}
