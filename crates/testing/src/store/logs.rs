//! Build logs, in every place and form that Nix has left them.

use std::{fs, io::Write, path::PathBuf};

use super::FixtureStore;

/// Where and how a build log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFile {
    /// Below a directory named by the first two characters, plain.
    Plain,
    /// Below a directory named by the first two characters, compressed: Nix's default.
    Bzip2,
    /// Directly in the log directory, plain, as very old Nix did.
    FlatPlain,
    /// Directly in the log directory, compressed.
    FlatBzip2,
}

impl FixtureStore {
    /// Leaves the log of a derivation, named by its base name, and returns where.
    pub fn add_log(&self, derivation: &str, form: LogFile, text: &[u8]) -> PathBuf {
        let (directory, name) = match form {
            LogFile::Plain | LogFile::Bzip2 => {
                let (directory, name) = derivation.split_at(2);
                (self.log_dir().join(directory), name)
            }
            LogFile::FlatPlain | LogFile::FlatBzip2 => (self.log_dir(), derivation),
        };
        fs::create_dir_all(&directory).unwrap();
        let (path, bytes) = match form {
            LogFile::Plain | LogFile::FlatPlain => (directory.join(name), text.to_vec()),
            LogFile::Bzip2 | LogFile::FlatBzip2 => {
                let mut encoder =
                    bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
                encoder.write_all(text).unwrap();
                (directory.join(format!("{name}.bz2")), encoder.finish().unwrap())
            }
        };
        fs::write(&path, bytes).unwrap();
        path
    }
}
