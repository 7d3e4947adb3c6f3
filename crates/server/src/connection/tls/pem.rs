//! PEM files, and their problems.

use std::{
    fs::File,
    io::{self, ErrorKind, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

/// Why a PEM file cannot be used. The texts are for the operator, and quote nothing of a key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PemError {
    /// There is no such file.
    #[error("it does not exist")]
    Missing,
    /// This process may not read it.
    #[error(
        "the server, which runs as user {user}, may not read it; give its group access to the file \
         and the directories above it, or use systemd's LoadCredential="
    )]
    Unreadable {
        /// The user of this process.
        user: u32,
    },
    /// It is a directory.
    #[error("it is a directory; name the file itself")]
    Directory,
    /// The operating system failed in another way.
    #[error("{0}")]
    Io(io::Error),
    /// A file of certificates is not in the format.
    #[error("it is not valid PEM: {0}")]
    BadCertificates(pem::Error),
    /// A file of a key is not in the format. The error of the parser would quote it.
    #[error("it is not valid PEM")]
    BadKey,
    /// It holds other things.
    #[error("there is no certificate in it (a section `-----BEGIN CERTIFICATE-----`)")]
    NoCertificate,
    /// It holds other things.
    #[error("there is no private key in it (a section `-----BEGIN PRIVATE KEY-----`)")]
    NoKey,
    /// The key needs a passphrase.
    #[error(
        "it is protected by a passphrase; `openssl pkey -in {} -out NEW` writes one without",
        path.display()
    )]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
}

/// The certificates in a file, at least one; or its problem.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let text = read(path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, pem::Error>>()
        .map_err(PemError::BadCertificates)?;
    if chain.is_empty() { Err(PemError::NoCertificate) } else { Ok(chain) }
}

pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    let text = zeroize::Zeroizing::new(read(path)?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|err| match err {
        pem::Error::NoItemsFound if is_encrypted(&text) => {
            PemError::Encrypted { path: path.to_owned() }
        }
        pem::Error::NoItemsFound => PemError::NoKey,
        // The parser quotes the line it stumbles over, which may be part of the key.
        _ => PemError::BadKey,
    })
}

fn is_encrypted(text: &[u8]) -> bool {
    text.windows(9).any(|window| window == b"ENCRYPTED")
}

fn read(path: &Path) -> Result<Vec<u8>, PemError> {
    read_regular(path).map_err(|err| match err.kind() {
        ErrorKind::NotFound => PemError::Missing,
        ErrorKind::PermissionDenied => {
            PemError::Unreadable { user: rustix::process::geteuid().as_raw() }
        }
        ErrorKind::IsADirectory => PemError::Directory,
        _ => PemError::Io(err),
    })
}

/// Reads a file that is one: the other end of a pipe would be waited for, with the whole server.
fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut file =
        File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
