//! The contents of a store path, put on disk and into a NAR in one go.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, symlink},
    path::Path,
};

use anyhow::Result;
use rns_formats::{NarLimits, NarWriter, Sha256Digest, Sha256Hasher};

use super::contents::Contents;

/// Files and directories to be. The bytes of a file come from its number, which is unique in a store.
pub(crate) enum Tree {
    File { executable: bool, number: u64, size: u64 },
    Link(&'static str),
    Directory(Vec<(String, Tree)>),
}

/// As much of a file as is made at once.
const PIECE: u64 = 1 << 20;

impl Tree {
    /// Writes the files to `path` and their NAR to `nar`; returns the NAR's hash and length.
    pub(crate) fn write(&self, path: &Path, nar: &Path) -> Result<(Sha256Digest, u64)> {
        let file = io::BufWriter::with_capacity(1 << 18, fs::File::create(nar)?);
        let measured = Measured { file, hasher: Sha256Hasher::new(), len: 0 };
        let mut writer = NarWriter::new(measured, NarLimits::default());
        self.emit(path, &mut writer)?;
        let mut measured = writer.finish()?;
        measured.file.flush()?;
        Ok((measured.hasher.finish(), measured.len))
    }

    fn emit(&self, path: &Path, nar: &mut NarWriter<Measured>) -> Result<()> {
        match self {
            Self::File { executable, number, size } => {
                let mode = if *executable { 0o555 } else { 0o444 };
                let mut file =
                    fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
                nar.regular(*executable, *size)?;
                let (mut contents, mut left) = (Contents::new(*number), *size);
                while left > 0 {
                    let piece = contents.bytes(left.min(PIECE) as usize);
                    file.write_all(&piece)?;
                    nar.contents(&piece)?;
                    left -= piece.len() as u64;
                }
            }
            Self::Link(target) => {
                symlink(target, path)?;
                nar.symlink(target.as_bytes())?;
            }
            Self::Directory(entries) => {
                fs::create_dir(path)?;
                nar.enter_directory()?;
                for (name, tree) in entries {
                    nar.entry(name.as_bytes())?;
                    tree.emit(&path.join(name), nar)?;
                }
                nar.leave_directory()?;
            }
        }
        Ok(())
    }
}

/// A file whose contents are hashed and counted.
struct Measured {
    file: io::BufWriter<fs::File>,
    hasher: Sha256Hasher,
    len: u64,
}

impl Write for Measured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
