//! The text that signatures of store paths sign.

use std::fmt::Write as _;

use crate::hash::Sha256Digest;
use crate::store_path::{StoreDir, StorePath};

/// `1;<store path>;sha256:<nix32 NAR hash>;<NAR size>;<references>`, without a final newline.
///
/// Paths are full paths; the references are separated by commas and sorted bytewise, in any
/// order of the arguments, and a path that refers to itself is listed. Every Nix since 2.0
/// signs this form; URL, compression, deriver and content address are not covered.
#[must_use]
pub fn fingerprint(
    store_dir: &StoreDir,
    path: &StorePath,
    nar_hash: &Sha256Digest,
    nar_size: u64,
    references: &[StorePath],
) -> String {
    let full_len = |path: &StorePath| store_dir.as_str().len() + path.as_str().len() + 2;
    let length = 90 + full_len(path) + references.iter().map(full_len).sum::<usize>();
    let mut text = String::with_capacity(length);
    text.push_str("1;");
    store_dir.push(&mut text, path);
    text.push(';');
    nar_hash.push(&mut text);
    let _ = write!(text, ";{nar_size};");
    if references.is_sorted_by(|a, b| a < b) {
        push_references(&mut text, store_dir, references);
    } else {
        let mut sorted = references.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        push_references(&mut text, store_dir, &sorted);
    }
    text
}

fn push_references(text: &mut String, store_dir: &StoreDir, references: &[StorePath]) {
    for (index, reference) in references.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        store_dir.push(text, reference);
    }
}
