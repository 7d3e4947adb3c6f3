//! Credentials for a cache, and the places where a client finds them.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::header::HeaderValue;
use url::Url;
use zeroize::Zeroizing;

use crate::{netrc::Netrc, percent::percent_decoded};

/// The longest token or netrc file that is read, in bytes.
const MAX_CREDENTIAL_FILE_BYTES: u64 = 1 << 20;

/// A credential for one cache. Never printed, and erased after use.
#[derive(Clone, Default)]
pub enum Credentials {
    /// None: the permissions of anonymous clients.
    #[default]
    Anonymous,
    /// A token, sent as `Authorization: Bearer`.
    Token(Zeroizing<String>),
    /// Login and password, sent as `Authorization: Basic`.
    Password(String, Zeroizing<String>),
}

/// The reason for having no credential where one was named.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It holds no token.
    #[error("{} holds no token: one line without spaces is expected", path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
    },
    /// The token or password holds characters that no header may have.
    #[error("the token or password holds control characters")]
    NotAHeader,
}

impl Credentials {
    /// The token in a file, as `rust-nix-serve token create` prints it.
    ///
    /// # Errors
    /// When it cannot be read, or holds something else.
    pub fn of_token_file(path: &Path) -> Result<Self, CredentialsError> {
        let text = read(path)
            .map_err(|source| CredentialsError::File { path: path.to_owned(), source })?;
        let token = text.trim();
        if token.is_empty() || token.contains(char::is_whitespace) {
            return Err(CredentialsError::NoToken { path: path.to_owned() });
        }
        Ok(Self::Token(Zeroizing::new(token.to_owned())))
    }

    /// Login and password in a URL, as stock Nix takes them.
    #[must_use]
    pub fn of_url(url: &Url) -> Option<Self> {
        let password = url.password()?;
        Some(Self::Password(
            percent_decoded(url.username()),
            Zeroizing::new(percent_decoded(password)),
        ))
    }

    /// The entry of a netrc file for the host, and the login if there is one, of a URL. A file that is not there has none.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn of_netrc(path: &Path, url: &Url) -> Result<Option<Self>, CredentialsError> {
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(CredentialsError::File { path: path.to_owned(), source });
            }
        };
        let netrc = Netrc::parse(&text);
        let entry = netrc.entry(url);
        Ok(entry.and_then(|entry| {
            let password = entry.password.clone()?;
            let login = entry.login.clone().unwrap_or_else(|| percent_decoded(url.username()));
            Some(Self::Password(login, password))
        }))
    }

    /// The value of the header `Authorization`.
    ///
    /// # Errors
    /// When the token or password holds characters that no header may have.
    pub fn header(&self) -> Result<Option<HeaderValue>, CredentialsError> {
        let text = match self {
            Self::Anonymous => return Ok(None),
            Self::Token(token) => Zeroizing::new(format!("Bearer {}", **token)),
            Self::Password(login, password) => {
                let pair = Zeroizing::new(format!("{login}:{}", **password));
                Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(&**pair)))
            }
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| CredentialsError::NotAHeader)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Token(_) => "Token(…)",
            Self::Password(..) => "Password(…)",
        })
    }
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    if fs::metadata(path)?.len() > MAX_CREDENTIAL_FILE_BYTES {
        return Err(io::Error::other("it is far too long"));
    }
    fs::read_to_string(path).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(credentials: &Credentials) -> String {
        credentials.header().unwrap().unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn a_url_holds_what_nix_would_send() {
        let url = Url::parse("https://ci:a%40b%2F@cache.example.org").unwrap();
        let sent = header(&Credentials::of_url(&url).unwrap());
        assert_eq!(sent, format!("Basic {}", BASE64_STANDARD.encode("ci:a@b/")));
        assert!(Credentials::of_url(&Url::parse("https://cache.example.org").unwrap()).is_none());
    }

    #[test]
    fn a_token_is_one_word() {
        let file = std::env::temp_dir().join(format!("rns-client-token-{}", std::process::id()));
        fs::write(&file, "rns_abc\n").unwrap();
        assert_eq!(header(&Credentials::of_token_file(&file).unwrap()), "Bearer rns_abc");
        fs::write(&file, "two words\n").unwrap();
        assert!(matches!(Credentials::of_token_file(&file), Err(CredentialsError::NoToken { .. })));
        fs::remove_file(&file).unwrap();
        assert!(matches!(Credentials::of_token_file(&file), Err(CredentialsError::File { .. })));
    }
}
