//! `cat` and `dump`: bytes of a NAR on standard output.

use std::{
    io::{self, Write},
    ops::Range,
};

use anyhow::{Context as _, anyhow, bail};
use rns_cache::{BlobBody, Chunks as _};
use rns_formats::nar::NodeKind;

use super::{InspectedPath, nothing_there, with_path};
use crate::{
    args::{DumpArgs, DumpCompression, InspectArgs},
    config::Environment,
    output::CommandAnswer,
};

/// As `zstd` and `xz` themselves.
const ZSTD_LEVEL: i32 = 3;
const XZ_LEVEL: u32 = 6;

/// Prints one file.
pub(crate) fn cat(args: &InspectArgs, environment: &Environment) -> anyhow::Result<CommandAnswer> {
    with_path(&args.path, &args.store, environment, async |found: InspectedPath| {
        let place = &found.place;
        let layout = found.nar.layout();
        let Some(node) = layout.nodes().find(place.inside.iter().map(Vec::as_slice)) else {
            return Ok(nothing_there(place));
        };
        let file = match node.kind {
            NodeKind::Regular { file } => {
                layout.file(file).context("the layout has no such file")?
            }
            NodeKind::Directory { .. } => bail!("{} is a directory", args.path.display()),
            NodeKind::Symlink { target } => {
                bail!(
                    "{} is a symbolic link to {}",
                    args.path.display(),
                    String::from_utf8_lossy(target)
                )
            }
        };
        let end = file.nar_offset.saturating_add(file.size);
        let mut out = io::stdout().lock();
        send(&found, file.nar_offset..end, &mut out).await?;
        out.flush()?;
        Ok(CommandAnswer::Yes)
    })
}

/// Prints a whole NAR.
pub(crate) fn dump(args: &DumpArgs, environment: &Environment) -> anyhow::Result<CommandAnswer> {
    with_path(&args.path, &args.store, environment, async |found: InspectedPath| {
        if !found.place.inside.is_empty() {
            bail!("a NAR holds a whole store path; `cat` prints a file inside one");
        }
        let whole = 0..found.nar.size();
        let mut out = io::stdout().lock();
        match args.compression {
            DumpCompression::None => send(&found, whole, &mut out).await?,
            DumpCompression::Zstd => {
                let mut encoder =
                    zstd::Encoder::new(&mut out, ZSTD_LEVEL).context("cannot start zstd")?;
                send(&found, whole, &mut encoder).await?;
                encoder.finish()?;
            }
            DumpCompression::Xz => {
                let mut encoder = xz2::write::XzEncoder::new(&mut out, XZ_LEVEL);
                send(&found, whole, &mut encoder).await?;
                encoder.finish()?;
            }
        }
        out.flush()?;
        Ok(CommandAnswer::Yes)
    })
}

/// Writes a range of the NAR. A path that is collected meanwhile, or whose files have changed, is an error: the bytes
/// written until then are no answer.
async fn send(
    found: &InspectedPath,
    range: Range<u64>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    let body = found.store.read_nar(&found.nar, range).await?;
    match body.ok_or_else(|| anyhow!("the path was deleted meanwhile"))? {
        BlobBody::Whole(bytes) => out.write_all(&bytes)?,
        BlobBody::Stream(mut stream) => {
            while let Some(chunk) = stream.next_chunk().await {
                out.write_all(&chunk?)?;
            }
        }
    }
    Ok(())
}
