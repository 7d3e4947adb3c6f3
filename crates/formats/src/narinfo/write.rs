//! Writing narinfos in the order and spelling Nix itself uses.

use std::fmt::Write as _;

use super::NarInfo;
use crate::store_path::StoreDir;

/// Enough for every line but the references, signatures and unknown fields of most narinfos.
const FIXED_LINES: usize = 640;

impl NarInfo {
    /// The canonical text: every client since Nix 2.3 reads it.
    ///
    /// Hashes are in nix32 and `References` is always there, with a space even when it is
    /// empty. Unknown fields come last.
    #[must_use]
    pub fn write(&self, store_dir: &StoreDir) -> String {
        let mut text = String::with_capacity(self.estimated_len());
        text.push_str("StorePath: ");
        store_dir.push(&mut text, &self.store_path);
        text.push_str("\nURL: ");
        text.push_str(&self.url);
        text.push_str("\nCompression: ");
        text.push_str(self.compression.name());
        if let Some(hash) = &self.file_hash {
            text.push_str("\nFileHash: ");
            hash.push(&mut text);
        }
        if let Some(size) = self.file_size {
            let _ = write!(text, "\nFileSize: {size}");
        }
        text.push_str("\nNarHash: ");
        self.nar_hash.push(&mut text);
        let _ = write!(text, "\nNarSize: {}", self.nar_size);
        text.push_str("\nReferences:");
        if self.references.is_empty() {
            text.push(' ');
        }
        for reference in &self.references {
            text.push(' ');
            text.push_str(reference.as_str());
        }
        if let Some(deriver) = &self.deriver {
            text.push_str("\nDeriver: ");
            text.push_str(deriver.as_str());
        }
        for signature in &self.signatures {
            text.push_str("\nSig: ");
            signature.push(&mut text);
        }
        if let Some(ca) = &self.ca {
            text.push_str("\nCA: ");
            ca.push(&mut text);
        }
        if let Some(provenance) = &self.provenance {
            text.push_str("\nProvenance: ");
            text.push_str(provenance.as_str());
        }
        for (name, value) in &self.unknown {
            text.push('\n');
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
        }
        text.push('\n');
        text
    }

    /// An upper bound of the length, for a store directory and names of usual length.
    fn estimated_len(&self) -> usize {
        let references = self.references.iter().map(|path| 1 + path.as_str().len());
        let signatures = self.signatures.iter().map(|signature| 6 + signature.spelled_len());
        let unknown = self.unknown.iter().map(|(name, value)| 3 + name.len() + value.len());
        let provenance = self.provenance.as_ref().map(|text| 14 + text.as_str().len());
        let variable = references.chain(signatures).chain(unknown).chain(provenance).sum::<usize>();
        FIXED_LINES + self.url.len() + variable
    }
}
