//! Who changes a cache.

/// Who publishes, or sets a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pusher {
    /// Name of the token or subject; `anonymous` without one.
    pub name: String,
    /// Address of the client, where it is known.
    pub address: Option<String>,
}
