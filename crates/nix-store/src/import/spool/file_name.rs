//! Names of spooled files, which say everything that was found out about them.

use rns_cache::VerifiedNar;
use rns_formats::{Compression, NarName, Sha256Digest};

/// The name of the file: `<file hash>-<file size>-<NAR hash>-<NAR size>.nar.<suffix>`.
pub(super) fn print(name: &NarName, nar: &VerifiedNar) -> String {
    format!(
        "{}-{}-{}-{}.nar{}",
        nar.file_hash.to_nix32(),
        nar.file_size,
        nar.nar_hash.to_nix32(),
        nar.nar_size,
        name.compression.file_suffix()
    )
}

/// The other way round. `None` for files that are not of the spool.
pub(super) fn parse(file: &str) -> Option<(NarName, VerifiedNar)> {
    let (facts, extension) = file.split_once('.')?;
    let compression = Compression::from_file_suffix(extension.strip_prefix("nar")?)?;
    let mut facts = facts.split('-');
    let mut next = || facts.next();
    let nar = VerifiedNar {
        file_hash: Sha256Digest::parse_nix32(next()?).ok()?,
        file_size: next()?.parse().ok()?,
        nar_hash: Sha256Digest::parse_nix32(next()?).ok()?,
        nar_size: next()?.parse().ok()?,
    };
    facts.next().is_none().then(|| (NarName::of_file(nar.file_hash, compression), nar))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_everything() {
        let nar = VerifiedNar {
            nar_hash: Sha256Digest::of(b"nar"),
            nar_size: u64::MAX,
            file_hash: Sha256Digest::of(b"file"),
            file_size: u64::MAX,
        };
        for compression in [Compression::None, Compression::Zstd, Compression::Xz] {
            let name = NarName::of_file(nar.file_hash, compression);
            let file = print(&name, &nar);
            assert!(file.len() < 200);
            assert_eq!(parse(&file), Some((name, nar)));
        }
        for other in ["incoming-1", "x.nar", "lock", "0-1-2-3.nar.xz"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
