//! PEM files, and what is to be said of those that cannot be used.

use std::{fs, io::ErrorKind, path::Path};

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
    fs::read(path).map_err(|err| match err.kind() {
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
