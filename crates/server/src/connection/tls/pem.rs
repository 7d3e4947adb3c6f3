//! PEM files, and what is to be said of those that cannot be used.

use std::{
    fs::File,
    io::{self, ErrorKind, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::fs::OFlags;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

/// The certificates in a file, at least one; or what is wrong with it.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, pem::Error>>()
        .map_err(|err| format!("it is not valid PEM: {err}"))?;
    if chain.is_empty() {
        return Err(
            "there is no certificate in it (a section `-----BEGIN CERTIFICATE-----`)".into()
        );
    }
    Ok(chain)
}

pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = zeroize::Zeroizing::new(read(path)?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|err| match err {
        pem::Error::NoItemsFound if is_encrypted(&text) => format!(
            "it is protected by a passphrase; `openssl pkey -in {path} -out NEW` writes one without",
            path = path.display()
        ),
        pem::Error::NoItemsFound => {
            "there is no private key in it (a section `-----BEGIN PRIVATE KEY-----`)".to_owned()
        }
        // The parser quotes the line it stumbles over, which may be part of the key.
        _ => "it is not valid PEM".to_owned(),
    })
}

fn is_encrypted(text: &[u8]) -> bool {
    text.windows(9).any(|window| window == b"ENCRYPTED")
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_regular(path).map_err(|err| match err.kind() {
        ErrorKind::NotFound => "it does not exist".to_owned(),
        ErrorKind::PermissionDenied => format!(
            "the server, which runs as user {}, may not read it; give its group access to the file \
             and the directories above it, or use systemd's LoadCredential=",
            rustix::process::geteuid().as_raw()
        ),
        ErrorKind::IsADirectory => "it is a directory; name the file itself".to_owned(),
        _ => err.to_string(),
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
