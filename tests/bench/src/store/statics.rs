//! What `nix copy --to file://…` would leave: a narinfo and a NAR for each path, plain and as zstd.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use rns_formats::{Compression, Hash, NarInfo, PathInfo, StoreDir};

/// The name of a path's NAR, uncompressed.
pub(super) fn nar_name(info: &PathInfo) -> String {
    format!("{}-{}.nar", info.path.hash_part(), info.nar_hash.to_nix32())
}

/// Makes both static caches; the NARs of the plain one are there already.
pub(super) fn create(directory: &Path, infos: &[PathInfo]) -> Result<()> {
    let (none, zstd) = (directory.join("none"), directory.join("zstd"));
    fs::create_dir_all(zstd.join("nar"))?;
    for names in infos.chunks(500) {
        // The server's usual level.
        let status = Command::new("zstd")
            .args(["-q", "-3", "--single-thread", "--output-dir-flat"])
            .arg(zstd.join("nar"))
            .args(names.iter().map(|info| none.join("nar").join(nar_name(info))))
            .status()
            .context("zstd is not installed")?;
        ensure!(status.success(), "zstd has failed");
    }
    let (key, store_dir) = (super::key()?, StoreDir::default());
    for info in infos {
        for (cache, compression) in [(&none, Compression::None), (&zstd, Compression::Zstd)] {
            let url = format!("nar/{}{}", nar_name(info), compression.file_suffix());
            let size = fs::metadata(cache.join(&url))?.len();
            let mut narinfo = NarInfo::for_path(info, url, compression, None, Vec::new());
            narinfo.file_size = Some(size);
            narinfo.file_hash =
                (compression == Compression::None).then(|| Hash::from(info.nar_hash));
            narinfo.signatures.push(key.sign(info.fingerprint(&store_dir)));
            let file = cache.join(format!("{}.narinfo", info.path.hash_part()));
            fs::write(file, narinfo.write(&store_dir))?;
        }
    }
    for cache in [none, zstd] {
        fs::write(
            cache.join("nix-cache-info"),
            "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 50\n",
        )?;
    }
    Ok(())
}
