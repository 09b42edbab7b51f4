use std::collections::BTreeMap;

/// Everything about a container that goes into each of its documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// 64 hex digits.
    pub container_id: String,
    /// Without the leading slash; empty if the container was gone before anyone could ask.
    pub container_name: String,
    /// As the user wrote it, for example `nginx:1.27`.
    pub image: String,
    /// Where a kubelet started it.
    pub pod: Option<Pod>,
    /// Those chosen by `collect.labels`, keys de-dotted.
    pub labels: BTreeMap<String, String>,
    /// The node's name; never the agent's own container's.
    pub node: String,
    /// log-pilot's user tags and, on Kubernetes, its `k8s_*` names; only the pilot shape has them.
    pub extra: BTreeMap<String, String>,
}

/// What a kubelet says of a container that it started, by the labels that it gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// The container's name in it.
    pub container: String,
}
