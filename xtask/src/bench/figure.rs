//! What a plot shows: bars with names, of one unit.

#[derive(Debug)]
pub(super) struct Figure {
    pub(super) title: String,
    pub(super) unit: &'static str,
    pub(super) bars: Vec<Bar>,
}

#[derive(Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    /// The agent's own bars stand out.
    pub(super) is_ours: bool,
}
