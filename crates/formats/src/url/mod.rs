//! The names under which a binary cache offers things: one grammar for every path that is answered.
//!
//! A path is split at its slashes, several in a row counting as one, and then percent-decoded
//! exactly once. `+` stands for itself. Nothing that decodes to a slash, a NUL byte, `.` or `..`
//! names anything. Queries are ignored except where they say something (`hash=` of a NAR, `json` of
//! a narinfo), or where they are part of a name: store path names may hold `?`, and clients send it
//! raw.

mod build_id;
mod decode;
mod log;
mod nar;
mod serve;

use crate::realisation::DrvOutputId;
use crate::root_name::{RootName, RootNameError};
use crate::store_path::{HashPart, StorePath, StorePathName};

use self::decode::{Segments, query_value};
use self::nar::hash_part;

pub use self::build_id::BuildId;
pub use self::log::{BUILT_PATH_HEADER, LogName};
pub use self::nar::NarName;
pub use self::serve::ServePath;

/// A resource that a path names. It need not exist.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Resource {
    /// `/`: the page for people.
    Root,
    /// `/nix-cache-info`.
    CacheInfo,
    /// `/<hash part>.narinfo`.
    NarInfo {
        /// Which store path.
        hash: HashPart,
        /// Whether `?json` asks for JSON.
        json: bool,
    },
    /// `/<hash part>.ls`: the listing of the store path's NAR.
    Listing(HashPart),
    /// `/nar/…`: a NAR.
    Nar(NarName),
    /// `/log/<derivation>`: a build log.
    Log(LogName),
    /// `/build-trace-v2/<derivation>/<output>.doi`, asked for by Nix since 2.35.
    BuildTrace {
        /// The derivation.
        drv: StorePath,
        /// Name of its output.
        output: String,
    },
    /// `/realisations/<hash>!<output>.doi`, asked for by Nix 2.4 to 2.34.
    Realisation(DrvOutputId),
    /// `/debuginfo/<build id>.debug`.
    DebugInfo(BuildId),
    /// `/serve/<hash part>/…`: a file inside a store path.
    Serve {
        /// Which store path.
        hash: HashPart,
        /// Where below it.
        path: ServePath,
    },
    /// `/missing`: those of many paths that a pusher still has to upload.
    MissingPaths,
    /// `/gcroots`: the roots, which keep paths.
    GcRoots,
    /// `/gcroots/<name>`: one root.
    GcRoot(RootName),
    /// `/gcroots/…` with a name that no root can have.
    NoGcRoot(RootNameError),
    /// `/pubkey`: the public keys of the cache.
    PublicKeys,
    /// `/api/cache-config`: the facts that a client's set-up needs.
    CacheConfig,
    /// `/api/sample-path`: a path of the cache, to try it with.
    SamplePath,
    /// `/version`.
    Version,
    /// `/healthz` or `/health`: whether the process is alive.
    Healthz,
    /// `/readyz`: whether it can answer.
    Readyz,
    /// `/metrics`.
    Metrics,
}

/// The first segments below which, or as which, a cache has names, in the order of [`parse`].
const FIRST_SEGMENTS: [&str; 17] = [
    NAR,
    LOG,
    BUILD_TRACE,
    REALISATIONS,
    DEBUG_INFO,
    SERVE,
    GC_ROOTS,
    CACHE_INFO,
    MISSING_PATHS,
    PUBLIC_KEYS,
    API,
    VERSION,
    HEALTHZ,
    HEALTH,
    READYZ,
    METRICS,
    PUSH,
];

const NAR: &str = "nar";
const LOG: &str = "log";
const BUILD_TRACE: &str = "build-trace-v2";
const REALISATIONS: &str = "realisations";
const DEBUG_INFO: &str = "debuginfo";
const SERVE: &str = "serve";
const GC_ROOTS: &str = "gcroots";
const CACHE_INFO: &str = "nix-cache-info";
const MISSING_PATHS: &str = "missing";
const PUBLIC_KEYS: &str = "pubkey";
const API: &str = "api";
const CACHE_CONFIG: &str = "cache-config";
const SAMPLE_PATH: &str = "sample-path";
const VERSION: &str = "version";
const HEALTHZ: &str = "healthz";
const HEALTH: &str = "health";
const READYZ: &str = "readyz";
const METRICS: &str = "metrics";
/// Below it, a cache is as its pushers see it.
const PUSH: &str = "push";
const NAR_INFO_EXTENSION: &str = "narinfo";
const LISTING_EXTENSION: &str = "ls";

/// Whether names of a cache may begin with this segment, so that a cache cannot be put below it.
#[must_use]
pub fn is_reserved_segment(segment: &str) -> bool {
    let extension = segment.rsplit_once('.').map(|(_, extension)| extension);
    FIRST_SEGMENTS.contains(&segment)
        || extension.is_some_and(|text| [NAR_INFO_EXTENSION, LISTING_EXTENSION].contains(&text))
}

/// The resource of a request's path and query, both as they were sent: still percent-encoded, the
/// query without its `?`.
///
/// `None` when there is no such name: the answer to that is 404, since clients treat any other
/// refusal as a broken cache. Does not allocate for the name of a narinfo without escapes.
#[must_use]
pub fn parse(raw_path: &str, raw_query: Option<&str>) -> Option<Resource> {
    let mut segments = Segments::new(raw_path)?;
    let Some(first) = segments.next() else { return Some(Resource::Root) };
    let first = first?;
    match str::from_utf8(&first).ok()? {
        NAR => NarName::parse(&segments.only()?, raw_query).map(Resource::Nar),
        LOG => LogName::parse(&segments.only()?, raw_query).map(Resource::Log),
        BUILD_TRACE => with_and_without_query(raw_path, raw_query, build_trace),
        REALISATIONS => with_and_without_query(raw_path, raw_query, realisation),
        DEBUG_INFO => {
            let file = segments.only()?;
            let name = str::from_utf8(&file).ok()?;
            // Programs that mount debug information ask for the id alone.
            BuildId::parse(name.strip_suffix(".debug").unwrap_or(name)).map(Resource::DebugInfo)
        }
        SERVE => {
            let hash = hash_part(&segments.next()??)?;
            Some(Resource::Serve { hash, path: ServePath::parse(segments)? })
        }
        GC_ROOTS => gc_root(segments),
        API => match str::from_utf8(&segments.only()?).ok()? {
            CACHE_CONFIG => Some(Resource::CacheConfig),
            SAMPLE_PATH => Some(Resource::SamplePath),
            _ => None,
        },
        name if segments.is_end() => top_level(name, raw_query),
        _ => None,
    }
}

fn top_level(name: &str, raw_query: Option<&str>) -> Option<Resource> {
    Some(match name {
        CACHE_INFO => Resource::CacheInfo,
        MISSING_PATHS => Resource::MissingPaths,
        PUBLIC_KEYS => Resource::PublicKeys,
        VERSION => Resource::Version,
        HEALTHZ | HEALTH => Resource::Healthz,
        READYZ => Resource::Readyz,
        METRICS => Resource::Metrics,
        _ => match name.split_once('.')? {
            (hash, NAR_INFO_EXTENSION) => Resource::NarInfo {
                hash: hash_part(hash.as_bytes())?,
                json: query_value(raw_query, "json").is_some(),
            },
            (hash, LISTING_EXTENSION) => Resource::Listing(hash_part(hash.as_bytes())?),
            _ => return None,
        },
    })
}

fn gc_root(segments: Segments<'_>) -> Option<Resource> {
    let names = segments.collect::<Option<Vec<_>>>()?;
    if names.is_empty() {
        return Some(Resource::GcRoots);
    }
    let name = String::from_utf8(names.join(&b'/')).ok()?;
    Some(match RootName::parse(&name) {
        Ok(name) => Resource::GcRoot(name),
        Err(error) => Resource::NoGcRoot(error),
    })
}

fn build_trace(mut segments: Segments<'_>) -> Option<Resource> {
    let drv = StorePath::parse(str::from_utf8(&segments.next()??).ok()?).ok()?;
    let file = segments.only()?;
    let output = str::from_utf8(&file).ok()?.strip_suffix(".doi")?;
    StorePathName::parse(output).ok()?;
    drv.is_derivation().then(|| Resource::BuildTrace { drv, output: output.to_owned() })
}

fn realisation(segments: Segments<'_>) -> Option<Resource> {
    let file = segments.only()?;
    let id = str::from_utf8(&file).ok()?.strip_suffix(".doi")?;
    DrvOutputId::parse(id).ok().map(Resource::Realisation)
}

/// Reads the segments after the first, with the query as a part of the path where that makes a
/// name.
fn with_and_without_query(
    raw_path: &str,
    raw_query: Option<&str>,
    read: impl Fn(Segments<'_>) -> Option<Resource>,
) -> Option<Resource> {
    let read = |path: &str| {
        let mut segments = Segments::new(path)?;
        segments.next()??;
        read(segments)
    };
    raw_query.and_then(|query| read(&format!("{raw_path}?{query}"))).or_else(|| read(raw_path))
}
