//! Reading narinfos exactly as clients do.

use thiserror::Error;

use super::NarInfo;
use crate::compression::{Compression, UnknownCompression};
use crate::content_address::{ContentAddress, ContentAddressError};
use crate::hash::{Hash, HashError, Sha256Digest};
use crate::provenance::Provenance;
use crate::signature::{Signature, SignatureError};
use crate::store_path::{StoreDir, StorePath, StorePathError};

/// Why a text is not a narinfo, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line} of the narinfo: {problem}")]
pub struct NarInfoError {
    /// The line on which the wrong field starts, or the one after the last; the first is 1.
    pub line: usize,
    /// Why the line is refused.
    pub problem: NarInfoProblem,
}

/// The faults of a narinfo.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NarInfoProblem {
    /// A line, perhaps an empty one, without a colon.
    #[error("there is no `Name: value` on it")]
    NoColon,
    /// No line feed ends the field.
    #[error("the field {field} is not ended by a line feed")]
    NoLineFeed {
        /// The name of the field.
        field: String,
    },
    /// The value, which starts two bytes after the colon, starts inside a character.
    #[error("there is no space after the colon of the field {field}")]
    NoSpace {
        /// The name of the field.
        field: String,
    },
    /// A field that may be given once only.
    #[error("{field} is given twice")]
    Duplicate {
        /// The name of the field.
        field: &'static str,
    },
    /// A field every narinfo has, or a zero `NarSize`.
    #[error("{field} is missing")]
    Missing {
        /// The name of the field.
        field: &'static str,
    },
    /// A value its field cannot have.
    #[error("{field} is invalid: {source}")]
    Invalid {
        /// The name of the field.
        field: &'static str,
        /// Why the value is refused.
        source: FieldError,
    },
}

/// Why a field cannot have a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FieldError {
    /// Not a store path.
    #[error(transparent)]
    StorePath(#[from] StorePathError),
    /// Not a hash.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// Not a decimal number of at most 64 bits.
    #[error("not a number of bytes")]
    Size,
    /// Not a compression method. Nix up to 2.34 looks at the file instead; later ones refuse it.
    #[error(transparent)]
    Compression(#[from] UnknownCompression),
    /// Not a signature. Nix up to 2.33 ignores such a field; later ones refuse the narinfo.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Not a content address.
    #[error(transparent)]
    ContentAddress(#[from] ContentAddressError),
}

impl NarInfo {
    /// Reads a narinfo of a cache whose store directory is `store_dir`.
    ///
    /// Fields may be in any order. As in Nix a value starts two bytes after the colon, with any
    /// bytes in between, and ends at the first line feed from there: an empty value without the space
    /// swallows the next line. The last line must end with a line feed. Of most repeated fields
    /// the last counts; `References` and `CA` may not be repeated, `Sig` adds one. A missing or
    /// empty `Compression` means bzip2. Where clients differ this follows the strictest, which
    /// is Nix 2.35.
    ///
    /// # Errors
    /// When one of the clients would call the narinfo corrupt.
    pub fn parse(text: &str, store_dir: &StoreDir) -> Result<Self, NarInfoError> {
        let mut draft = Draft::default();
        let mut rest = text;
        let mut line = 1;
        while !rest.is_empty() {
            let at_line = |problem| NarInfoError { line, problem };
            let (name, value, after) = next_field(rest).map_err(at_line)?;
            draft.add(name, value, store_dir).map_err(at_line)?;
            let taken = rest.get(..rest.len() - after.len()).unwrap_or_default();
            line += taken.bytes().filter(|&byte| byte == b'\n').count();
            rest = after;
        }
        draft.finish().map_err(|problem| NarInfoError { line, problem })
    }
}

/// Splits the name and value of the first field from the rest.
fn next_field(text: &str) -> Result<(&str, &str, &str), NarInfoProblem> {
    let (name, after_colon) = text
        .split_once(':')
        // Nix takes a line without colon for a part of the next name, and so loses that field.
        .filter(|(name, _)| !name.contains('\n'))
        .ok_or(NarInfoProblem::NoColon)?;
    let field = || name.to_owned();
    let no_line_feed = || NarInfoProblem::NoLineFeed { field: field() };
    if after_colon.is_empty() {
        return Err(no_line_feed());
    }
    let value_on =
        after_colon.get(1..).ok_or_else(|| NarInfoProblem::NoSpace { field: field() })?;
    let (value, rest) = value_on.split_once('\n').ok_or_else(no_line_feed)?;
    Ok((name, value, rest))
}

#[derive(Default)]
struct Draft {
    store_path: Option<StorePath>,
    url: String,
    compression: Option<Compression>,
    file_hash: Option<Hash>,
    file_size: Option<u64>,
    nar_hash: Option<Sha256Digest>,
    nar_size: u64,
    references: Vec<StorePath>,
    deriver: Option<StorePath>,
    signatures: Vec<Signature>,
    ca: Option<ContentAddress>,
    provenance: Option<Provenance>,
    unknown: Vec<(String, String)>,
}

impl Draft {
    fn add(&mut self, name: &str, value: &str, dir: &StoreDir) -> Result<(), NarInfoProblem> {
        match name {
            "StorePath" => {
                self.store_path = Some(dir.parse_path(value).map_err(invalid("StorePath"))?);
            }
            "URL" => value.clone_into(&mut self.url),
            "Compression" if value.is_empty() => self.compression = None,
            "Compression" => {
                self.compression = Some(Compression::parse(value).map_err(invalid("Compression"))?);
            }
            "FileHash" => {
                self.file_hash = Some(Hash::parse(value).map_err(invalid("FileHash"))?);
            }
            "FileSize" => self.file_size = Some(size("FileSize", value)?),
            "NarHash" => {
                self.nar_hash = Some(Sha256Digest::parse(value).map_err(invalid("NarHash"))?);
            }
            "NarSize" => self.nar_size = size("NarSize", value)?,
            "References" => self.add_references(value)?,
            "Deriver" if value == "unknown-deriver" => {}
            "Deriver" => {
                self.deriver = Some(StorePath::parse(value).map_err(invalid("Deriver"))?);
            }
            "Sig" => {
                let signature = Signature::parse(value).map_err(invalid("Sig"))?;
                if !self.signatures.contains(&signature) {
                    self.signatures.push(signature);
                }
            }
            "CA" if self.ca.is_some() => return Err(NarInfoProblem::Duplicate { field: "CA" }),
            "CA" if value.is_empty() => {}
            "CA" => self.ca = Some(ContentAddress::parse(value).map_err(invalid("CA"))?),
            "Provenance" => match Provenance::parse(value) {
                Ok(provenance) => self.provenance = Some(provenance),
                // Most clients do not look at it.
                Err(_) => self.unknown.push((name.to_owned(), value.to_owned())),
            },
            _ => self.unknown.push((name.to_owned(), value.to_owned())),
        }
        Ok(())
    }

    fn add_references(&mut self, value: &str) -> Result<(), NarInfoProblem> {
        if !self.references.is_empty() {
            return Err(NarInfoProblem::Duplicate { field: "References" });
        }
        self.references = value
            .split(' ')
            .filter(|base| !base.is_empty())
            .map(StorePath::parse)
            .collect::<Result<_, _>>()
            .map_err(invalid("References"))?;
        self.references.sort_unstable();
        self.references.dedup();
        Ok(())
    }

    fn finish(self) -> Result<NarInfo, NarInfoProblem> {
        let missing = |field| NarInfoProblem::Missing { field };
        if self.url.is_empty() {
            return Err(missing("URL"));
        }
        if self.nar_size == 0 {
            return Err(missing("NarSize"));
        }
        Ok(NarInfo {
            store_path: self.store_path.ok_or_else(|| missing("StorePath"))?,
            url: self.url,
            compression: self.compression.unwrap_or(Compression::Bzip2),
            file_hash: self.file_hash,
            file_size: self.file_size,
            nar_hash: self.nar_hash.ok_or_else(|| missing("NarHash"))?,
            nar_size: self.nar_size,
            references: self.references,
            deriver: self.deriver,
            signatures: self.signatures,
            ca: self.ca,
            provenance: self.provenance,
            unknown: self.unknown,
        })
    }
}

fn size(field: &'static str, value: &str) -> Result<u64, NarInfoProblem> {
    value.parse().map_err(|_| NarInfoProblem::Invalid { field, source: FieldError::Size })
}

fn invalid<E: Into<FieldError>>(field: &'static str) -> impl Fn(E) -> NarInfoProblem {
    move |error| NarInfoProblem::Invalid { field, source: error.into() }
}
