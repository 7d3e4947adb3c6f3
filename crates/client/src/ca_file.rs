//! The one file of authorities that TLS trusts, chosen as Nix chooses it.

use std::{env, fs, io, path::PathBuf};

use reqwest::Certificate;

/// The variables that name a file, in the order of Nix.
const VARIABLES: [&str; 2] = ["NIX_SSL_CERT_FILE", "SSL_CERT_FILE"];

/// The variables in which the TLS library looks for the authorities of the system.
const LIBRARY_VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The files of the system, in the order of Nix.
const SYSTEM_FILES: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/nix/var/nix/profiles/default/etc/ssl/certs/ca-bundle.crt",
];

/// A file of authorities, which takes the place of those of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaFile {
    /// The file.
    pub file: PathBuf,
    /// The setting or variable that names it.
    pub named_by: &'static str,
}

/// A file of authorities that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the authorities in {}, which {} names: {source}", ca_file.file.display(), ca_file.named_by)]
pub struct CaFileError {
    /// The file.
    pub ca_file: CaFile,
    /// The reason.
    pub source: io::Error,
}

impl CaFile {
    /// The file that Nix takes: that of `ssl-cert-file` in nix.conf, or else that of the first variable which is set. An
    /// empty text and `None` stand for the authorities of the system.
    #[must_use]
    pub fn find(nix_conf: Option<&str>) -> Option<Self> {
        let of_conf = nix_conf.map(|file| ("ssl-cert-file in nix.conf", file.into()));
        let of_variable = || VARIABLES.iter().find_map(|name| Some((*name, env::var_os(name)?)));
        match of_conf.or_else(of_variable) {
            Some((named_by, file)) if !file.is_empty() => {
                Some(Self { file: file.into(), named_by })
            }
            // The TLS library would take another file for that of the system, which Nix does not.
            _ if LIBRARY_VARIABLES.iter().any(|name| env::var_os(name).is_some()) => {
                Self::of_system()
            }
            _ => None,
        }
    }

    fn of_system() -> Option<Self> {
        let file = SYSTEM_FILES.iter().map(PathBuf::from).find(|file| file.exists())?;
        Some(Self { file, named_by: "the system" })
    }

    /// Reads the file, which has one certificate at least.
    ///
    /// # Errors
    /// When it cannot be read, or has none.
    pub fn certificates(&self) -> Result<Vec<Certificate>, CaFileError> {
        let failed = |source| CaFileError { ca_file: self.clone(), source };
        let pem = fs::read(&self.file).map_err(failed)?;
        let found =
            Certificate::from_pem_bundle(&pem).map_err(|error| failed(io::Error::other(error)))?;
        if found.is_empty() {
            let none = "there is no certificate in it";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, none)));
        }
        Ok(found)
    }
}
