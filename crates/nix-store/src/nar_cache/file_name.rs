//! The names of files in the cache: `<tag>.<size>.<hash of the file>`, so that nothing else has to be remembered.

use std::sync::Arc;

use rns_formats::Sha256Digest;

/// The beginning of a file name while the file is being written.
pub(super) const TEMPORARY: &str = "tmp-";

/// The facts about a compressed NAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressedFile {
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub hash: Sha256Digest,
}

/// The name of a finished file.
pub(super) fn print(tag: &str, file: &CompressedFile) -> String {
    format!("{tag}.{}.{}", file.size, file.hash.to_nix32())
}

/// The facts that the name of a finished file says; `None` for any other name.
pub(super) fn parse(name: &str) -> Option<(Arc<str>, CompressedFile)> {
    let mut parts = name.split('.');
    let (tag, size, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let is_tag = tag.split('-').next().is_some_and(|nar| Sha256Digest::parse_nix32(nar).is_ok());
    let file =
        CompressedFile { size: size.parse().ok()?, hash: Sha256Digest::parse_nix32(hash).ok()? };
    (is_tag && parts.next().is_none()).then(|| (tag.into(), file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_everything() {
        let tag = format!("{}-zstd-3-abcd1234", Sha256Digest::of(b"nar").to_nix32());
        let file = CompressedFile { size: 4711, hash: Sha256Digest::of(b"file") };
        assert_eq!(parse(&print(&tag, &file)), Some((tag.as_str().into(), file)));
    }

    #[test]
    fn other_files_are_none_of_ours() {
        for name in ["", "tmp-1-0", "README", "a.b.c", ".x", "lost+found"] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
