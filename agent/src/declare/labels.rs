//! Fields that log-pilot makes of a container's labels.

use std::collections::BTreeMap;

/// Labels under this prefix are fields.
const ACCESS_PREFIX: &str = "com.aliyun.access.";

/// Each field's labels; of several that are there the last holds.
const LABELS: [(&str, &[&str]); 5] = [
    ("docker_app", &["com.docker.compose.project", "com.docker.stack.namespace"]),
    ("docker_service", &["com.docker.compose.service", "com.docker.swarm.service.name"]),
    ("k8s_pod", &["io.kubernetes.pod.name"]),
    ("k8s_pod_namespace", &["io.kubernetes.pod.namespace"]),
    ("k8s_container_name", &["io.kubernetes.container.name"]),
];

/// What goes into every document of one log of a container besides its name: the fields of its
/// labels, the node's name, and the log's tags with `index` and `topic`. Of a tag and a field of
/// the labels the tag holds, since its author could see both. What is empty is left out.
///
/// `node` is what the agent was told by the variable `NODE_NAME`; `log` is the name of the log,
/// and `target` is as declared.
pub fn pilot_fields(
    labels: &BTreeMap<String, String>,
    node: Option<&str>,
    log: &str,
    target: Option<&str>,
    tags: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let mut put = |name: &str, value: &str| {
        if !value.is_empty() {
            fields.insert(name.to_owned(), value.to_owned());
        }
    };
    for (name, value) in labels {
        if name.starts_with(ACCESS_PREFIX) {
            put(&name.replace('.', "_"), value);
        }
    }
    for (name, sources) in LABELS {
        for value in sources.iter().filter_map(|source| labels.get(*source)) {
            put(name, value);
        }
    }
    put("k8s_node_name", node.unwrap_or_default());
    let target = target.filter(|target| !target.is_empty()).unwrap_or(log);
    for name in ["index", "topic"] {
        put(name, target);
    }
    for (name, value) in tags {
        put(name, value);
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(members: &[(&str, &str)]) -> BTreeMap<String, String> {
        members.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn check(
        labels: &[(&str, &str)],
        node: Option<&str>,
        target: Option<&str>,
        tags: &[(&str, &str)],
        expect: &[(&str, &str)],
    ) {
        let fields = pilot_fields(&map(labels), node, "access", target, &map(tags));
        assert_eq!(fields, map(expect));
    }

    #[test]
    fn index_and_topic_come_from_tag_then_target_then_name() {
        check(&[], None, None, &[], &[("index", "access"), ("topic", "access")]);
        check(&[], None, Some(""), &[], &[("index", "access"), ("topic", "access")]);
        check(&[], None, Some("shop"), &[], &[("index", "shop"), ("topic", "shop")]);
        check(
            &[],
            None,
            Some("shop"),
            &[("topic", "t"), ("stage", "1")],
            &[("index", "shop"), ("topic", "t"), ("stage", "1")],
        );
    }

    #[test]
    fn fields_of_labels() {
        let both = [("index", "access"), ("topic", "access")];
        let with = |more: &[(&'static str, &'static str)]| [&both[..], more].concat();
        check(
            &[
                ("com.docker.compose.project", "shop"),
                ("com.docker.compose.service", "web"),
                ("com.aliyun.access.a.b", "x"),
                ("com.aliyun.accessed", "y"),
                ("maintainer", "nobody"),
            ],
            None,
            None,
            &[],
            &with(&[
                ("docker_app", "shop"),
                ("docker_service", "web"),
                ("com_aliyun_access_a_b", "x"),
            ]),
        );
        check(
            &[
                ("com.docker.compose.project", "shop"),
                ("com.docker.stack.namespace", "stack"),
                ("com.docker.compose.service", "web"),
                ("com.docker.swarm.service.name", ""),
            ],
            Some(""),
            None,
            &[],
            &with(&[("docker_app", "stack"), ("docker_service", "web")]),
        );
        check(
            &[
                ("io.kubernetes.pod.name", "tomcat"),
                ("io.kubernetes.pod.namespace", "default"),
                ("io.kubernetes.container.name", "tomcat"),
                ("io.kubernetes.pod.uid", "u"),
            ],
            Some("node-1"),
            None,
            &[("k8s_pod", "mine")],
            &with(&[
                ("k8s_pod", "mine"),
                ("k8s_pod_namespace", "default"),
                ("k8s_container_name", "tomcat"),
                ("k8s_node_name", "node-1"),
            ]),
        );
    }
}
