//! Servers that compress.

use std::path::Path;

use rns_formats::{Compression, NarName, StorePath};
use rns_testing::{FixtureStore, ServerBuilder, Tree};

use super::{SECRET_KEY, server};

/// A server that compresses into this directory.
pub(crate) fn compressing(
    store: &FixtureStore,
    directory: &Path,
    compression: &str,
) -> ServerBuilder {
    let section =
        format!("[nar_cache]\ncompression = {compression:?}\ndirectory = {directory:?}\n");
    server().store(store).keys([SECRET_KEY]).section(&section)
}

/// The URL of a path's compressed NAR, also where its narinfo offers the plain one, and without asking for that, which would
/// begin the compression.
pub(crate) fn compressed_url(store: &FixtureStore, path: &StorePath) -> String {
    let name = NarName::new(path.hash_part(), store.info(path).nar_hash, Compression::Zstd);
    format!("/{}", name.canonical_url())
}

/// A path whose NAR is not small, and takes a moment to compress.
pub(crate) fn large(store: &mut FixtureStore) -> StorePath {
    large_named(store, "large")
}

/// The same with a name, on which its contents depend.
pub(crate) fn large_named(store: &mut FixtureStore, name: &str) -> StorePath {
    let first = name.bytes().fold(0, |sum, byte| sum * 31 + u64::from(byte)) % 1_000_000_007;
    let noise = |seed: u64| {
        let mut state = seed;
        let words = std::iter::repeat_with(move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            [(state >> 56) as u8, b' ']
        });
        Tree::file(words.take(1 << 20).flatten().collect::<Vec<u8>>())
    };
    store.add(name, Tree::directory((1..=3).map(|n| (format!("file-{n}"), noise(first + n)))))
}
