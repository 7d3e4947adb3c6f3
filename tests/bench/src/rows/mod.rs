//! The measurements: one file for each kind of row.

pub(crate) mod beside;
pub(crate) mod cold;
pub(crate) mod collection;
pub(crate) mod copy;
pub(crate) mod exposure;
pub(crate) mod memory;
pub(crate) mod narinfos;
pub(crate) mod nars;
pub(crate) mod private;
pub(crate) mod push;
pub(crate) mod ranges;
pub(crate) mod registering;
pub(crate) mod start;
pub(crate) mod storage;
pub(crate) mod tls;
pub(crate) mod uploads;

use anyhow::Result;

use crate::bench::Bench;

/// Measures something.
type Measuring = fn(&mut Bench) -> Result<()>;

/// A name for `--only`, and its measurement. Rows that need compression come last.
pub(crate) const ALL: [(&str, Measuring); 20] = [
    ("narinfo-sequential", narinfos::sequential),
    ("narinfo-load", narinfos::load),
    ("narinfo-token", private::run),
    ("registering", registering::run),
    ("nars-none", |bench| nars::run(bench, "none")),
    ("ranges", ranges::run),
    ("copy-none", |bench| copy::run(bench, "none")),
    ("start", start::run),
    ("exposure", exposure::run),
    ("nars-zstd", |bench| nars::run(bench, "zstd")),
    ("copy-zstd", |bench| copy::run(bench, "zstd")),
    ("tls", tls::run),
    ("cold", cold::run),
    ("memory", memory::run),
    ("storage", storage::run),
    ("upload-large", uploads::large),
    ("upload-small", uploads::small),
    ("push-small", push::small),
    ("upload-memory", uploads::memory),
    ("collection", collection::run),
];
