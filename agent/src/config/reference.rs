//! The table of keys: the reference page is made of it, and so are the hints for unknown keys.

use std::fmt::Write;

use crate::core::limits;

/// One key as the reference shows it.
pub(super) struct Key {
    /// Dotted path.
    pub(super) path: &'static str,
    values: &'static str,
    default: &'static str,
    /// One sentence per line.
    about: &'static str,
}

const fn key(
    path: &'static str,
    values: &'static str,
    default: &'static str,
    about: &'static str,
) -> Key {
    Key { path, values, default, about }
}

pub(super) const KEYS: &[Key] = &[
    key(
        "state_dir",
        "absolute path",
        "/var/lib/sluice",
        "Where positions, dead letters and the control socket live.\n\
         One agent per directory: a second one stops with exit code 75.\n\
         It has to outlive the agent's container, or positions are lost with it.",
    ),
    key(
        "node",
        "name or `auto`",
        "auto",
        "The node's name in every document.\n\
         `auto` takes the variable `NODE_NAME`, else the engine's name of its host, else \
         `<docker.host_prefix>/etc/hostname`, else this machine's name; never the agent's own \
         container's.",
    ),
    key(
        "workers",
        "number or `auto`",
        "auto",
        "Threads that read, decode, encode and compress.\n\
         `auto` is the number of cores, at most 4.",
    ),
    key(
        "read_from",
        "`head`, `now` or an age like `24h`",
        "head",
        "Where a log begins that has no stored position.\n\
         Once a position is stored this key has no say.",
    ),
    key(
        "collect.stdout",
        "`all` or `declared`",
        "all",
        "Whose stdout and stderr are collected: every container's, or only of those that declare \
         it.",
    ),
    key(
        "collect.files",
        "`declared`, `discovered` or `off`",
        "declared",
        "Which files that containers write are collected.\n\
         `declared` collects those that containers declare (docs/declarations.md), and shows \
         others in `sluice containers`, `sluice explain` and on the status page.\n\
         `discovered` collects beside them, without a declaration, each regular file that a process in a \
         container has open for writing, if it is appended to or grows, its head is text, and \
         its name is not on `collect.files_deny`; its path in the container is `log.file.path`.\n\
         `off` collects none, declared or not, and does not look for any.",
    ),
    key(
        "collect.files_deny",
        "list of patterns",
        "see below",
        "Files in containers that are no logs, with `*` and `?`: a pattern with a `/` is of the \
         whole path in the container, one without of the name.\n\
         What is given here takes the place of the default: `.*`, `*~`, `*.tmp`, `*.swp`, \
         `*.lock`, `*.pid`, `*.pipe`, `*.sock`, `*.seed`, `*.db`, `*.db-*`, `*.sqlite`, \
         `*.sqlite-*`, `*.sqlite3`, `*.sqlite3-*`, `*.wal`, `*.journal`, `*-journal`, `*.aof`, \
         `*.rdb`, `*.gz`, `*.bz2`, `*.xz`, `*.zst`, `*.zip`, `core`, `core.*`, `/dev/*`, \
         `/proc/*`, `/run/*`, `/sys/*`, `/tmp/*`, `/var/tmp/*`.",
    ),
    key(
        "collect.labels",
        "list of patterns",
        "none",
        "Labels of a container that go into its documents, by name with `*` and `?`.\n\
         Full stops in their names become `_`.",
    ),
    key(
        "declare.prefixes",
        "list of names, or one text with commas",
        "sluice, aliyun",
        "What declarations begin with: `<prefix>_logs_<name>` in the environment of a container, \
         `<prefix>.logs.<name>` in its labels.\n\
         What is given here takes the place of the default.",
    ),
    key(
        "target",
        "name of an index, without its date",
        "sluice",
        "Where containers go that declare no target of their own.",
    ),
    key(
        "target_zone",
        "`UTC`, `local`, a name like `Europe/Berlin`, an offset like `+08:00`",
        "UTC",
        "The zone in which a line's time decides the date in its index's name.",
    ),
    key(
        "shape",
        "`ecs`, `pilot` or `pilot-strict`",
        "ecs",
        "The names of fields in documents: Elastic Common Schema; those of log-pilot, with \
         `@timestamp` and `message` in each; or exactly what log-pilot wrote.",
    ),
    key(
        "event_bytes_max",
        "size",
        "4MiB",
        "The longest line that stays one document; a longer one is cut and marked.",
    ),
    key(
        "partial_timeout",
        "time",
        "5s",
        "How long a line without its end waits for the rest before it is sent as it stands.",
    ),
    key(
        "batch.bytes",
        "size",
        "2MiB",
        "A batch is sent when its body, before compression, reaches this.",
    ),
    key(
        "batch.flush_interval",
        "time",
        "250ms",
        "A batch that is not full is sent after this time.",
    ),
    key(
        "compression.codec",
        "`auto`, `sluice`, `zlib-rs` or `stored`",
        "auto",
        "How bodies are compressed: gzip by our own encoder, gzip by zlib-rs, or not at all.\n\
         `auto` is `sluice`, and `zlib-rs` where a level is given.",
    ),
    key(
        "compression.level",
        "1 to 9",
        "1",
        "Of `zlib-rs`: higher is smaller and slower.\n\
         The others have no levels.",
    ),
    key(
        "docker.socket",
        "path or `off`",
        "/var/run/docker.sock",
        "The engine's API.\n\
         With `off`, or while it does not answer, the containers' directory tells what there is.",
    ),
    key(
        "docker.root",
        "absolute path",
        "/var/lib/docker",
        "The engine's data root, as the host names it.",
    ),
    key(
        "docker.host_prefix",
        "absolute path",
        "/",
        "Where the host's file system is mounted for the agent, for example `/host`.\n\
         It goes before `docker.root` and before every path that the engine names, not before \
         `docker.socket`.",
    ),
    key(
        "output.console",
        "`{}`",
        "chosen when no output is",
        "Documents go to standard output, one per line.",
    ),
    key(
        "output.elasticsearch.hosts",
        "list of URLs, or one text with commas",
        "required",
        "Elasticsearch 6.8 to 9, or OpenSearch 1 to 3.\n\
         A name without a scheme means `http`, and port 9200 if it has none; a URL means what it \
         says.",
    ),
    key(
        "output.elasticsearch.user",
        "text",
        "none",
        "Basic authentication, with `password` or `password_file`.",
    ),
    key("output.elasticsearch.password", "text", "none", "Better in a file or a variable."),
    key(
        "output.elasticsearch.password_file",
        "absolute path",
        "none",
        "Read again when the server refuses, so it may be rotated under a running agent.",
    ),
    key(
        "output.elasticsearch.api_key",
        "text",
        "none",
        "The key in its encoded form, as the server returns it.",
    ),
    key("output.elasticsearch.api_key_file", "absolute path", "none", "The same from a file."),
    key(
        "output.elasticsearch.bearer_file",
        "absolute path",
        "none",
        "A token, for example a service account's.",
    ),
    key(
        "output.elasticsearch.ca_file",
        "absolute path",
        "the system's roots",
        "PEM certificates that the server's has to descend from.",
    ),
    key(
        "output.elasticsearch.cert_file",
        "absolute path",
        "none",
        "The client's certificate in PEM, with `key_file`.",
    ),
    key("output.elasticsearch.key_file", "absolute path", "none", "The client's key in PEM."),
    key(
        "output.elasticsearch.verify",
        "`full` or `none`",
        "full",
        "Whether the server's certificate has to be right; with `none` anybody in between can \
         read the logs, which is said at each start.",
    ),
    key(
        "output.elasticsearch.server",
        "`auto`, or like `elasticsearch-6.8`, `opensearch-2`",
        "auto",
        "What answers at the hosts; `auto` asks it.",
    ),
    key(
        "output.elasticsearch.type",
        "name",
        "_doc",
        "The mapping type of new indices, for Elasticsearch 6 only; it goes into the URL, not into \
         documents.\n\
         An index that is there keeps the type that it has.",
    ),
    key(
        "output.elasticsearch.timeout",
        "time",
        "60s",
        "Of one request; one that is late is sent again, and ids keep it from counting twice.",
    ),
    key(
        "output.elasticsearch.requests_in_flight_max",
        "1 to 256",
        "4",
        "Requests at a time, to all hosts together; fewer while the server is busy.",
    ),
    key(
        "output.elasticsearch.when_refused",
        "`wait`",
        "wait",
        "What becomes of lines whose target goes on refusing them (a closed or read-only index).\n\
         With `wait` they stay in their files, as long as rotation leaves them there.",
    ),
    key(
        "output.elasticsearch.when_refused.dead_letter_after",
        "time",
        "none",
        "In place of `wait`: after this time they become dead letters in the state directory.",
    ),
    key(
        "http.listen",
        "address and port, or `off`",
        "127.0.0.1:9600",
        "Serves `/metrics`, `/healthz`, `/readyz` and a status page; never log contents.",
    ),
    key("log.format", "`text` or `json`", "text", "The agent's own log, on standard error."),
    key(
        "log.level",
        "`error`, `warn`, `info`, `debug` or `trace`",
        "info",
        "The least that is said.",
    ),
    key(
        "watch.rung",
        "`auto`, `fexit`, `kprobe`, `tracepoint`, `inotify` or `poll`",
        "auto",
        "The best way to learn of writes that is tried, the first three by programs in the kernel; \
         where it cannot be had, those after it are.\n\
         Less than `auto` is for kernels on which a program does harm: lines come as surely by any.",
    ),
    key(
        "watch.require",
        "`none` or `ebpf`",
        "none",
        "With `ebpf` the agent does not start where no program in the kernel can tell of writes to \
         the file system of `state_dir`.\n\
         `sluice doctor` says why, and what each mount's logs stand on.",
    ),
    key(
        "shutdown_timeout",
        "time",
        "20s",
        "How long SIGTERM waits for what is on its way; the rest is read again at the next start.\n\
         Keep it below the grace period of whoever stops the agent.",
    ),
];

const HEAD: &str = "\
# Configuration

<!-- Made from agent/src/config/reference.rs by `SLUICE_UPDATE=1 cargo test -p sluice stale`. -->

sluice reads `/etc/sluice/sluice.yaml`, or the file named by `--config`.
Without a file the defaults hold: every container's stdout and stderr, printed to the terminal.
`sluice check` tells whether it is right and whether its output answers; with `--offline` it only reads.

Values may hold `${VAR}` and `${VAR:default}`; keys may not.
The default also stands in for a variable that is set but empty.
`$${` stands for the two characters `${`.
Variables are put in after the YAML is parsed, so what they hold cannot add keys.

Times have a unit (`250ms`, `5s`, `10m`, `24h`, `7d`), and so have sizes (`512KiB`, `4MiB`).
An unknown key is an error, as a setting that does not hold helps nobody.

Flags of `sluice run` and `sluice check` win over the file: `--state-dir` (or the variable `SLUICE_STATE_DIR`), `--node`, \
`--output elasticsearch|console`, `--hosts a,b` (which alone means `--output elasticsearch`).

## An example

```yaml
state_dir: /var/lib/sluice
collect:
  labels: [com.example.*]
docker:
  host_prefix: /host
output:
  elasticsearch:
    hosts: [\"${ES_URL:http://localhost:9200}\"]
    user: sluice
    password_file: /run/secrets/elasticsearch
    when_refused:
      dead_letter_after: 1h
http:
  listen: 0.0.0.0:9600
```

## Keys
";

/// The page `docs/config.md`.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    for Key { path, values, default, about } in KEYS {
        let default = match *default {
            plain @ ("none" | "required" | "chosen when no output is" | "the system's roots") => {
                plain.to_owned()
            }
            value => format!("`{value}`"),
        };
        // Writing to a string cannot fail.
        let _ =
            write!(page, "\n### `{path}`\n\n{about}\n\n* Values: {values}\n* Default: {default}\n");
    }
    page
}

/// What a person may have meant by an unknown key, among the `expected` ones of its section.
pub(super) fn hint(unknown: &str, expected: &[&str]) -> String {
    let nearest = expected
        .iter()
        .map(|known| (strsim::damerau_levenshtein(unknown, known), *known))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4);
    if let Some((_, known)) = nearest {
        return format!("did you mean `{known}`?");
    }
    let elsewhere =
        KEYS.iter().map(|key| key.path).find(|path| path.split('.').any(|part| part == unknown));
    if let Some(path) = elsewhere {
        return format!("it belongs at `{path}`");
    }
    if expected.is_empty() {
        return "nothing can be set here".to_owned();
    }
    format!("expected one of {}", expected.join(", "))
}

const _: () = assert!(limits::EVENT_BYTES_MAX == 4 << 20, "the page says 4MiB");
const _: () = assert!(limits::BATCH_BYTES == 2 << 20, "the page says 2MiB");
