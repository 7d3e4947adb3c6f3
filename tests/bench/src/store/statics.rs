//! The files that `nix copy --to file://…` would leave: a narinfo and a NAR for each path, plain and as zstd.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use rns_formats::{Compression, Hash, NarInfo, PathInfo, Sha256Digest, StoreDir};

use super::Member;

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

/// Links the NARs of a static cache under the hashes of their files.
pub(super) fn as_copied(from: &Path, to: &Path, members: &[Member]) -> Result<Vec<String>> {
    fs::create_dir_all(to.join("nar"))?;
    fs::copy(from.join("nix-cache-info"), to.join("nix-cache-info"))?;
    let mut targets = Vec::new();
    for member in members {
        let file = from.join(&member.nar("zstd")[1..]);
        let name = Sha256Digest::of(&fs::read(&file)?).to_nix32();
        let url = format!("nar/{name}.nar.zst");
        if !to.join(&url).exists() {
            fs::hard_link(file, to.join(&url))?;
        }
        let narinfo = &member.narinfo()[1..];
        let text = fs::read_to_string(from.join(narinfo))?;
        let lines = text.lines().map(|line| match line.strip_prefix("URL: ") {
            Some(_) => format!("URL: {url}\n"),
            None => format!("{line}\n"),
        });
        fs::write(to.join(narinfo), lines.collect::<String>())?;
        targets.push(format!("/{url}"));
    }
    Ok(targets)
}
