//! Files of the operator that the server reads as copies.

use std::path::{Path, PathBuf};

/// Where the units of the NixOS module keep copies of files that only root may read, each below it by its whole path:
/// `secretsDirectory` in `nixos/data/unit.nix`.
const COPIES_DIR: &str = "/run/rust-nix-serve-keys";

/// The file that the operator owns: the one that `path` is a copy of, or `path` itself. Messages name it, because a
/// file beside a copy is gone with the next one.
pub(crate) fn original(path: &Path) -> PathBuf {
    match path.strip_prefix(COPIES_DIR) {
        Ok(rest) if !rest.as_os_str().is_empty() => Path::new("/").join(rest),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_copy_is_the_rest_of_its_path() {
        for (path, file) in [
            ("/run/rust-nix-serve-keys/run/secrets/cache-key", "/run/secrets/cache-key"),
            ("/run/rust-nix-serve-keys", "/run/rust-nix-serve-keys"),
            ("/run/rust-nix-serve-keys-old/key", "/run/rust-nix-serve-keys-old/key"),
            ("/var/lib/rust-nix-serve/secret-key", "/var/lib/rust-nix-serve/secret-key"),
            ("key", "key"),
        ] {
            assert_eq!(original(Path::new(path)), Path::new(file), "{path}");
        }
    }

    #[test]
    fn the_units_put_copies_there() {
        let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nixos/data/unit.nix");
        let text = std::fs::read_to_string(units).unwrap();
        assert!(text.contains(&format!("secretsDirectory ? \"{COPIES_DIR}\"")));
    }
}
