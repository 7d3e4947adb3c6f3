//! The file of tokens: one on each line, with the hash instead of the token.
//!
//! A reader of the file learns no token; a writer of the file can let any client in.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    fs::File,
    io::{self, ErrorKind, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rns_cache::Pattern;
use rustix::fs::OFlags;

use super::{LineProblem, Token, TokenName, line};
use crate::caches::{copies::original, keys::quoted};

/// Bytes of a file.
const MAX_TOKEN_FILE_BYTES: u64 = 1 << 20;

/// Tokens of one file.
const MAX_TOKENS: usize = 10_000;

/// Choices of paths that the tokens of one file can have: each is a cache of its own.
pub(crate) const MAX_PATH_CHOICES: usize = 64;

/// Problems that are named; more are counted.
const MAX_NAMED_PROBLEMS: usize = 10;

/// A file of tokens that cannot be used. The text names the file, the lines and their problems, and shows
/// nothing that could be a secret.
#[derive(Debug, thiserror::Error)]
#[error("file of tokens {path}: {problem}", path = original(path).display())]
pub struct TokenFileError {
    /// The file.
    pub path: PathBuf,
    /// The problem.
    pub problem: TokenFileProblem,
}

/// Problems of a file of tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFileProblem {
    /// There is no such file.
    #[error("it does not exist; `{command}` makes one with a first token")]
    Missing {
        /// The command that makes one.
        command: String,
    },
    /// This process may not read it.
    #[error(
        "user {user} may not read it; `{command}` lets every user read it, which shows no token"
    )]
    Unreadable {
        /// The user of this process.
        user: u32,
        /// The command that lets it.
        command: String,
    },
    /// Users of the machine who have nothing to do with it can let themselves in.
    #[error(
        "every user of the machine can write it (mode {mode:04o}); `{command}` takes that away"
    )]
    Exposed {
        /// Its permission bits.
        mode: u32,
        /// The command that mends it.
        command: String,
    },
    /// It is a directory, a pipe, a device or a socket.
    #[error("it is not a regular file")]
    NotAFile,
    /// It has too many bytes.
    #[error("it has more than {MAX_TOKEN_FILE_BYTES} bytes")]
    TooLong,
    /// It has too many tokens.
    #[error("it has more than {MAX_TOKENS} tokens")]
    TooMany,
    /// So many choices of paths cannot be kept at the same time.
    #[error("its tokens have more than {} different paths=", MAX_PATH_CHOICES)]
    TooManyPaths,
    /// It holds something else than text.
    #[error("it is no text")]
    NotText,
    /// The lines, each with its number from 1.
    #[error("{0}")]
    Lines(LineProblems),
    /// The operating system failed in another way.
    #[error("{0}")]
    Io(io::Error),
}

/// Problems of the lines of a file, each with its number from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineProblems(pub Vec<(usize, LineProblem)>);

impl fmt::Display for LineProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (line, problem) in self.0.iter().take(MAX_NAMED_PROBLEMS) {
            write!(f, "{separator}line {line}: {problem}")?;
            separator = "; ";
        }
        match self.0.len().checked_sub(MAX_NAMED_PROBLEMS) {
            Some(more @ 1..) => write!(f, "; and {more} more"),
            _ => Ok(()),
        }
    }
}

/// Reads a file of tokens.
///
/// # Errors
/// See [`TokenFileProblem`].
pub fn load_tokens(path: &Path) -> Result<Vec<Token>, TokenFileError> {
    read_tokens(path).and_then(|text| {
        parse_tokens(&text).map_err(|problem| TokenFileError { path: path.to_owned(), problem })
    })
}

/// Reads the text of a file of tokens, right or wrong.
///
/// # Errors
/// See [`TokenFileProblem`].
pub fn read_tokens(path: &Path) -> Result<String, TokenFileError> {
    read(path).map_err(|problem| TokenFileError { path: path.to_owned(), problem })
}

/// Reads the text of a file of tokens.
///
/// # Errors
/// The problems, of all lines at once.
pub fn parse_tokens(text: &str) -> Result<Vec<Token>, TokenFileProblem> {
    if text.len() as u64 > MAX_TOKEN_FILE_BYTES {
        return Err(TokenFileProblem::TooLong);
    }
    let (mut tokens, mut problems) = (Vec::new(), Vec::new());
    let mut seen = SeenLines::default();
    for (line, number) in text.split_inclusive('\n').zip(1..) {
        match Token::parse(line).and_then(|token| seen.check(token, number)) {
            Ok(Some(_)) if !line.ends_with('\n') => {
                problems.push((number, LineProblem::Unfinished));
            }
            Ok(token) => tokens.extend(token),
            Err(problem) => problems.push((number, problem)),
        }
    }
    if !problems.is_empty() {
        return Err(TokenFileProblem::Lines(LineProblems(problems)));
    }
    if tokens.len() > MAX_TOKENS {
        return Err(TokenFileProblem::TooMany);
    }
    if seen.paths.len() > MAX_PATH_CHOICES {
        return Err(TokenFileProblem::TooManyPaths);
    }
    Ok(tokens)
}

/// The text without the lines that name this token, and without a change anywhere else; `None` when there is no such
/// line. It works on a file with problems as well.
#[must_use]
pub fn without_token(text: &str, name: &TokenName) -> Option<String> {
    let is_other = |row: &&str| line::words(row).next() != Some(name.as_str());
    let rest: String = text.split_inclusive('\n').filter(is_other).collect();
    (rest.len() < text.len()).then_some(rest)
}

fn read(path: &Path) -> Result<String, TokenFileProblem> {
    // Without NONBLOCK a pipe would be waited for, with the whole server.
    let flags = OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = file.map_err(|error| cannot_open(path, error))?;
    let metadata = file.metadata().map_err(TokenFileProblem::Io)?;
    if !metadata.is_file() {
        return Err(TokenFileProblem::NotAFile);
    }
    if metadata.mode() & 0o002 != 0 {
        let (mode, command) = (metadata.mode() & 0o7777, format!("chmod o-w {}", quoted(path)));
        return Err(TokenFileProblem::Exposed { mode, command });
    }
    let mut bytes = Vec::new();
    file.take(MAX_TOKEN_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(TokenFileProblem::Io)?;
    if bytes.len() as u64 > MAX_TOKEN_FILE_BYTES {
        return Err(TokenFileProblem::TooLong);
    }
    String::from_utf8(bytes).map_err(|_| TokenFileProblem::NotText)
}

fn cannot_open(path: &Path, error: io::Error) -> TokenFileProblem {
    let path = quoted(&original(path));
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => TokenFileProblem::Missing {
            command: format!("rust-nix-serve token create --file {path} NAME"),
        },
        ErrorKind::PermissionDenied => TokenFileProblem::Unreadable {
            user: rustix::process::geteuid().as_raw(),
            command: format!("chmod o+r {path}"),
        },
        _ => TokenFileProblem::Io(error),
    }
}

/// Names, digests and paths of earlier lines.
#[derive(Default)]
struct SeenLines {
    names: HashMap<TokenName, usize>,
    digests: HashMap<String, usize>,
    paths: HashSet<Vec<Pattern>>,
}

impl SeenLines {
    fn check(&mut self, token: Option<Token>, number: usize) -> Result<Option<Token>, LineProblem> {
        let Some(token) = token else { return Ok(None) };
        if let Some(&line) = self.names.get(&token.name) {
            return Err(LineProblem::NameTaken { name: token.name, line });
        }
        if let Some(&line) = self.digests.get(&token.digest.to_string()) {
            return Err(LineProblem::DigestTaken { line });
        }
        self.names.insert(token.name.clone(), number);
        self.digests.insert(token.digest.to_string(), number);
        if !token.paths.is_empty() {
            self.paths.insert(token.paths.clone());
        }
        Ok(Some(token))
    }
}
