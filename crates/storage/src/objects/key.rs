//! The names of objects, exactly those of a cache that Nix wrote itself.

use std::fmt;

use object_store::path::Path;
use rns_formats::{BuildId, DrvOutputId, HashPart, NarName, RootName, StorePath};

/// The folder of NARs.
pub(crate) const NARS: &str = "nar";

/// The folder of roots.
pub(crate) const ROOTS: &str = "gcroots";

/// The folder of files that clients send to a bucket themselves, before they are verified.
pub(crate) const INCOMING: &str = "incoming";

/// The name of an object, relative to the storage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// `nix-cache-info`.
    #[must_use]
    pub fn cache_info() -> Self {
        Self("nix-cache-info".to_owned())
    }

    /// `<hash part>.narinfo`.
    #[must_use]
    pub fn narinfo(hash: &HashPart) -> Self {
        Self(format!("{hash}.narinfo"))
    }

    /// `<hash part>.ls`.
    #[must_use]
    pub fn listing(hash: &HashPart) -> Self {
        Self(format!("{hash}.ls"))
    }

    /// `nar/…`: where a NAR of this name is.
    #[must_use]
    pub fn nar(name: &NarName) -> Self {
        Self(name.canonical_url())
    }

    /// Where a client sends the file of a NAR itself: a name that no reader is sent to, one for each time.
    #[must_use]
    pub fn incoming(name: &NarName, number: u128) -> Self {
        Self(format!("{}/{number:032x}", Self::incoming_folder(name)))
    }

    /// The folder of such files for a NAR.
    #[must_use]
    pub fn incoming_folder(name: &NarName) -> String {
        format!("{INCOMING}/{}", name.canonical_url().trim_start_matches("nar/"))
    }

    /// `log/<derivation>`.
    #[must_use]
    pub fn log(derivation: &StorePath) -> Self {
        Self(format!("log/{derivation}"))
    }

    /// `realisations/<id>.doi`.
    #[must_use]
    pub fn realisation(id: &DrvOutputId) -> Self {
        Self(format!("realisations/{id}.doi"))
    }

    /// `build-trace-v2/<derivation>/<output>.doi`.
    #[must_use]
    pub fn build_trace(derivation: &StorePath, output: &str) -> Self {
        Self(format!("build-trace-v2/{derivation}/{output}.doi"))
    }

    /// `debuginfo/<build id>.debug`; older caches have it without the suffix.
    #[must_use]
    pub fn debug_info(id: &BuildId) -> Self {
        Self(format!("debuginfo/{id}.debug"))
    }

    /// `gcroots/<name>.json`; the suffix keeps a root from being in the way of those below its name.
    #[must_use]
    pub fn root(name: &RootName) -> Self {
        Self(format!("{ROOTS}/{name}.json"))
    }

    /// The root that an object says, by its key.
    #[must_use]
    pub fn root_name(&self) -> Option<RootName> {
        let name = self.0.strip_prefix(ROOTS)?.strip_prefix('/')?.strip_suffix(".json")?;
        RootName::parse(name).ok()
    }

    /// A key as it is listed.
    #[must_use]
    pub fn listed(key: &str) -> Self {
        Self(key.to_owned())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key below the prefix of a bucket. The names above hold nothing that would have to be escaped.
    pub(super) fn below(&self, prefix: &str) -> Result<Path, object_store::path::Error> {
        if prefix.is_empty() {
            Path::parse(&self.0)
        } else {
            Path::parse(format!("{prefix}/{}", self.0))
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
