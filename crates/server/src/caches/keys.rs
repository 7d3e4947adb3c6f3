//! Secret key files, and their problems.

use std::{
    fmt,
    fs::{self, File},
    io::{self, ErrorKind, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rns_formats::{PublicKey, SecretKey};
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::copies::original;

/// No key is longer: a name and 88 characters of base64.
const MAX_KEY_BYTES: u64 = 4096;

/// A key file that cannot be used. The text names the file, its problem and the remedy,
/// and never shows any of its content.
#[derive(Debug, thiserror::Error)]
#[error("secret key file {path}: {problem}", path = original(path).display())]
pub struct KeyFileError {
    /// The file.
    pub path: PathBuf,
    /// The problem.
    pub problem: KeyProblem,
}

/// Problems of a key file.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyProblem {
    /// There is no such file.
    Missing {
        /// The command that makes one.
        command: String,
    },
    /// This process may not read it.
    Unreadable {
        /// The user it runs as.
        user: u32,
        /// The command that lets it.
        command: String,
    },
    /// It is a directory, a pipe, a device or a socket.
    NotAFile(&'static str),
    /// Users of the machine who have nothing to do with it can read or change it.
    Exposed {
        /// Its permission bits.
        mode: u32,
        /// The command that mends it; none for a file in a read-only store.
        command: Option<String>,
    },
    /// There is nothing in it.
    Empty,
    /// It holds a public key.
    IsPublic,
    /// It is something else than a secret key: which rule it breaks.
    Malformed(String),
    /// The operating system failed in another way.
    Io(io::Error),
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { command } => {
                write!(f, "it does not exist; `{command}` makes a new key")
            }
            Self::Unreadable { user, command } => write!(
                f,
                "the server, which runs as user {user}, may not read it; `{command}` gives it to \
                 that user, and systemd's LoadCredential= hands over a copy without changing the file"
            ),
            Self::NotAFile(what) => write!(f, "it is {what}; name the key file itself"),
            Self::Exposed { mode, command: Some(command) } => write!(
                f,
                "every user of the machine can get at it (mode {mode:04o}); `{command}` makes it \
                 the owner's alone"
            ),
            Self::Exposed { mode, command: None } => write!(
                f,
                "every user of the machine can get at it (mode {mode:04o}), because it is in the Nix \
                 store; keep it elsewhere and make a new key, for this one is no secret any more"
            ),
            Self::Empty => f.write_str("it is empty"),
            Self::IsPublic => f.write_str(
                "it holds a public key; name the file with the secret key that belongs to it, \
                 whose text is about twice as long",
            ),
            Self::Malformed(why) => write!(f, "{why}"),
            Self::Io(err) => write!(f, "{err}"),
        }
    }
}

/// Reads a secret key from a file.
///
/// The file must not be readable or writable for all users; its group may read it, since that is how
/// keys are given to a service that does not own them.
///
/// # Errors
///
/// See [`KeyProblem`].
pub fn load_key(path: &Path) -> Result<SecretKey, KeyFileError> {
    load(path).map_err(|problem| KeyFileError { path: path.to_owned(), problem })
}

fn load(path: &Path) -> Result<SecretKey, KeyProblem> {
    let file = open(path)?;
    let metadata = file.metadata().map_err(KeyProblem::Io)?;
    if !metadata.is_file() {
        return Err(KeyProblem::NotAFile(if metadata.is_dir() {
            "a directory"
        } else {
            "not a regular file"
        }));
    }
    if metadata.mode() & 0o007 != 0 {
        return Err(exposed(path, metadata.mode() & 0o7777));
    }
    parse(&read(&file, metadata.size())?)
}

fn open(path: &Path) -> Result<File, KeyProblem> {
    // Without NONBLOCK a pipe would be waited for, with the whole server.
    let flags = OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    open.map_err(|err| match err.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => KeyProblem::Missing {
            command: format!(
                "rust-nix-serve key generate --output {} cache.example.org-1",
                quoted(&original(path))
            ),
        },
        ErrorKind::PermissionDenied => {
            let user = rustix::process::geteuid().as_raw();
            KeyProblem::Unreadable { user, command: format!("chown {user} {}", quoted(path)) }
        }
        _ => KeyProblem::Io(err),
    })
}

fn exposed(path: &Path, mode: u32) -> KeyProblem {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let in_store = real.starts_with("/nix/store");
    KeyProblem::Exposed {
        mode,
        command: (!in_store).then(|| format!("chmod 600 {}", quoted(&real))),
    }
}

fn read(file: &File, size: u64) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
    if size > MAX_KEY_BYTES {
        return Err(KeyProblem::Malformed(format!(
            "a secret key is one line of text, and this file has {size} bytes"
        )));
    }
    // With room for everything, reading makes no second copy that would stay in memory.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_KEY_BYTES as usize + 1));
    file.take(MAX_KEY_BYTES).read_to_end(&mut text).map_err(KeyProblem::Io)?;
    Ok(text)
}

fn parse(bytes: &[u8]) -> Result<SecretKey, KeyProblem> {
    let text = str::from_utf8(bytes).map_err(|_| {
        KeyProblem::Malformed("a secret key is text, and this file is not".to_owned())
    })?;
    if text.trim().is_empty() {
        return Err(KeyProblem::Empty);
    }
    SecretKey::parse(text).map_err(|err| {
        if PublicKey::parse(text).is_ok() {
            KeyProblem::IsPublic
        } else {
            KeyProblem::Malformed(err.to_string())
        }
    })
}

/// The path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@:".contains(&byte);
    if text.bytes().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rns_formats::KeyName;
    use tempfile::TempDir;

    use super::*;

    fn key() -> SecretKey {
        SecretKey::from_seed(KeyName::parse("test-1").unwrap(), &[7; 32])
    }

    fn file(content: &str, mode: u32) -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    fn message(content: &str, mode: u32) -> String {
        let (_dir, path) = file(content, mode);
        let text = load_key(&path).unwrap_err().to_string();
        assert!(text.contains(&path.display().to_string()), "names the file: {text}");
        text
    }

    #[test]
    fn takes_what_nix_writes_with_and_without_a_final_newline() {
        for end in ["", "\n", " \r\n"] {
            for mode in [0o600, 0o400, 0o440, 0o640] {
                let (_dir, path) =
                    file(&format!("{}{end}", key().to_secret_string().as_str()), mode);
                assert_eq!(load_key(&path).unwrap().public_key(), key().public_key());
            }
        }
    }

    #[test]
    fn a_key_that_everybody_can_read_is_refused_with_the_command_that_mends_it() {
        for mode in [0o644, 0o604, 0o602] {
            let text = message(&key().to_secret_string(), mode);
            assert!(text.contains("`chmod 600 /"), "{text}");
            assert!(text.contains(&format!("{mode:04o}")), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (content, expected) in [
            ("", "empty"),
            ("\n\n", "empty"),
            ("test-1", "no colon"),
            ("test-1:!!!", "base64"),
            ("test-1:QUJD", "64 bytes, not 3"),
            (":QUJD", "name is empty"),
            (&key().public_key().to_string(), "public key"),
            (&"x".repeat(5000), "5000 bytes"),
        ] {
            let text = message(content, 0o600);
            assert!(text.contains(expected), "{content:?}: {text}");
        }
    }

    #[test]
    fn never_shows_key_material() {
        let secret = key().to_secret_string();
        let material = secret.split_once(':').unwrap().1;
        let start = material.get(..12).unwrap();
        for content in
            [material.to_owned(), format!("{}x", secret.as_str()), secret.replace(':', " ")]
        {
            let text = message(&content, 0o600);
            assert!(!text.contains(start), "{text}");
        }
    }

    #[test]
    fn a_missing_file_comes_with_the_command_that_makes_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("it's missing");
        let text = load_key(&path).unwrap_err().to_string();
        assert!(text.contains("key generate --output '"), "{text}");
        assert!(text.contains(r"it'\''s missing' cache"), "{text}");
    }

    #[test]
    fn of_a_missing_copy_the_message_names_the_file_that_the_operator_owns() {
        let copy = Path::new("/run/rust-nix-serve-keys/run/secrets/not-there");
        let text = load_key(copy).unwrap_err().to_string();
        assert!(text.starts_with("secret key file /run/secrets/not-there: "), "{text}");
        assert!(text.contains("--output /run/secrets/not-there cache"), "{text}");
        assert!(!text.contains("rust-nix-serve-keys"), "{text}");
    }

    #[test]
    fn a_directory_and_a_device_are_not_keys() {
        let dir = tempfile::tempdir().unwrap();
        let text = load_key(dir.path()).unwrap_err().to_string();
        assert!(text.contains("a directory"), "{text}");
        let text = load_key(Path::new("/dev/null")).unwrap_err().to_string();
        assert!(text.contains("not a regular file"), "{text}");
    }

    #[test]
    fn an_unreadable_file_says_who_must_be_able_to_read_it() {
        let error = KeyFileError {
            path: "/k".into(),
            problem: KeyProblem::Unreadable { user: 999, command: "chown 999 /k".into() },
        };
        assert!(error.to_string().contains("`chown 999 /k`"), "{error}");
    }
}
