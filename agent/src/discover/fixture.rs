//! What Docker 20.10.24 leaves on disk and answers, for tests.

pub(super) const ID: &str = "451ea1c7979152a5448f123410629dfddf5be7f0fb4fb9a519519dbd50a628b9";

/// The container id that begins with `first` (up to eight hex digits).
pub(super) fn id(first: &str) -> String {
    format!("{first}{}", &ID[first.len()..])
}

fn state(state: &str) -> String {
    let (running, started, finished) = match state {
        "created" => (false, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        "running" => (true, "2026-11-25T09:04:16.141052402Z", "0001-01-01T00:00:00Z"),
        "exited" => (false, "2026-11-25T09:04:16.141052402Z", "2026-11-25T09:04:16.146720477Z"),
        other => panic!("no state {other}"),
    };
    format!(
        r#"{{"Status":"{state}","Running":{running},"Paused":false,"Restarting":false,"OOMKilled":false,"RemovalInProgress":false,"Dead":false,"Pid":0,"ExitCode":0,"Error":"","StartedAt":"{started}","FinishedAt":"{finished}","Health":null}}"#
    )
}

fn log_path(id: &str, state: &str) -> String {
    if state == "created" {
        return String::new();
    }
    format!("/var/lib/docker/containers/{id}/{id}-json.log")
}

pub(super) fn config(name: &str, at: &str) -> String {
    config_of(ID, name, at)
}

pub(super) fn config_of(id: &str, name: &str, at: &str) -> String {
    let (state, log_path) = (state(at), log_path(id, at));
    format!(
        r#"{{"StreamConfig":{{}},"State":{state},"ID":"{id}","Created":"2026-11-25T09:04:15.91384516Z","Managed":false,"Path":"/bin/sh","Args":["-c","echo hi"],"Config":{{"Hostname":"{short}","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["A=b=c","EMPTY="],"Cmd":["/bin/sh","-c","echo hi"],"Image":"nginx:1.27","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{{"x.y":"z"}}}},"Image":"sha256:a4c05e8d54347a180456d027e28ff346f5879c5103f15e7c7c32933c3a9a52f8","NetworkSettings":{{"Bridge":"","HairpinMode":false,"Networks":{{"none":{{"IPAMConfig":null}}}},"Service":null,"Ports":null}},"LogPath":"{log_path}","Name":"{name}","Driver":"overlay2","OS":"linux","MountLabel":"","ProcessLabel":"","RestartCount":0,"HasBeenStartedBefore":true,"HasBeenManuallyStopped":false,"MountPoints":{{}},"SecretReferences":null,"ConfigReferences":null,"AppArmorProfile":"","ShmPath":"","SeccompProfile":"","NoNewPrivileges":false,"LocalLogCacheMeta":{{"HaveNotifyEnabled":false}}}}
"#,
        short = &id[..12],
    )
}

pub(super) fn host_config(driver: &str) -> String {
    let options = if driver == "json-file" { r#"{"max-size":"1m"}"# } else { "{}" };
    format!(
        r#"{{"Binds":null,"ContainerIDFile":"","LogConfig":{{"Type":"{driver}","Config":{options}}},"NetworkMode":"none","PortBindings":{{}},"RestartPolicy":{{"Name":"no","MaximumRetryCount":0}},"AutoRemove":false,"ShmSize":67108864,"Runtime":"runc","Ulimits":[]}}
"#
    )
}

pub(super) fn inspect(name: &str, at: &str) -> String {
    inspect_of(ID, name, at)
}

pub(super) fn inspect_of(id: &str, name: &str, at: &str) -> String {
    let (state, log_path) = (state(at), log_path(id, at));
    format!(
        r#"{{"Id":"{id}","Created":"2026-11-25T09:04:15.91384516Z","Path":"/bin/sh","Args":["-c","echo hi"],"State":{state},"Image":"sha256:a4c05e8d54347a180456d027e28ff346f5879c5103f15e7c7c32933c3a9a52f8","LogPath":"{log_path}","Name":"{name}","RestartCount":0,"Driver":"overlay2","Platform":"linux","HostConfig":{host},"GraphDriver":{{"Data":{{"MergedDir":"/m"}},"Name":"overlay2"}},"Mounts":[],"Config":{{"Hostname":"{short}","Tty":false,"Env":["A=b=c","EMPTY="],"Cmd":["/bin/sh"],"Image":"nginx:1.27","Volumes":null,"Labels":{{"x.y":"z"}}}},"NetworkSettings":{{"Bridge":"","Ports":{{}}}}}}"#,
        host = host_config("json-file").trim(),
        short = &id[..12],
    )
}
