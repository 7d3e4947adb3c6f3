//! Narinfos as JSON.

use serde_json::{Value, json};

use super::NarInfo;
use crate::store_path::StoreDir;

impl NarInfo {
    /// The JSON of `nix path-info --json --json-format 1` for the path in this cache.
    ///
    /// Store paths are full paths and hashes SRI. An unknown value is `null`, except for
    /// `provenance`, `downloadHash` and `downloadSize`, which are then absent; a cache never knows the
    /// `registrationTime`. Unlike in Nix, which has it as the key before the object, `path` is
    /// part of it. Unknown fields of the narinfo are left out.
    #[must_use]
    pub fn to_json(&self, store_dir: &StoreDir) -> Value {
        let print = |path| store_dir.print(path);
        let mut object = json!({
            "path": print(&self.store_path),
            "narHash": self.nar_hash.to_sri(),
            "narSize": self.nar_size,
            "references": self.references.iter().map(print).collect::<Vec<_>>(),
            "deriver": self.deriver.as_ref().map(print),
            "ca": self.ca.map(|ca| ca.to_string()),
            "signatures": self.signatures.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "registrationTime": null,
            "url": self.url,
            "compression": self.compression.name(),
        });
        if let Value::Object(fields) = &mut object {
            if let Some(provenance) = &self.provenance
                && let Ok(json) = serde_json::from_str(provenance.as_str())
            {
                fields.insert("provenance".to_owned(), json);
            }
            if let Some(hash) = &self.file_hash {
                fields.insert("downloadHash".to_owned(), hash.to_sri().into());
            }
            if let Some(size) = self.file_size {
                fields.insert("downloadSize".to_owned(), size.into());
            }
        }
        object
    }
}
