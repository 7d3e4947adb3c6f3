//! The body and the parameters of a request that sets a root.

use std::num::NonZeroU32;

use actix_web::web::Query;
use rns_cache::{RootLifetime, RootPath};
use rns_formats::{HashPart, RootLabel, RootLabelError, StoreDir, StorePath, StorePathError};

/// Paths that a root names.
const MAX_ROOT_PATHS: usize = 10_000;

/// Revisions of a root that are kept.
const MAX_REVISIONS: u32 = 100;

/// The longest life of a root in days: a century.
const MAX_DAYS: u32 = 36_500;

/// The fault of a request to set a root, in words for the client.
#[derive(Debug, thiserror::Error)]
pub(super) enum RootRequestError {
    /// The body is not UTF-8.
    #[error("the body is no text")]
    NoText,
    /// A line of the body is no path.
    #[error("line {0}: {1}")]
    Line(usize, StorePathError),
    /// The body has too many paths.
    #[error("a root names at most {MAX_ROOT_PATHS} paths")]
    TooManyPaths,
    /// The query is no list of parameters.
    #[error("the parameters cannot be read")]
    Query,
    /// A parameter of another name. It could be meant to end the root.
    #[error("the parameters are days, revisions and label")]
    UnknownParameter,
    /// The value of this parameter is no number, or one that is too large.
    #[error("{0} is a number from 1 to {1}")]
    Number(&'static str, u32),
    /// The label cannot be kept.
    #[error(transparent)]
    Label(#[from] RootLabelError),
}

/// The paths in a body: store paths or hash parts, one a line.
///
/// # Errors
/// When a line is no path, or there are too many.
pub(super) fn paths(body: &[u8], store_dir: &StoreDir) -> Result<Vec<RootPath>, RootRequestError> {
    let text = str::from_utf8(body).map_err(|_| RootRequestError::NoText)?;
    let mut paths = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let path = match HashPart::parse(line) {
            Ok(hash) => Ok(RootPath::Hash(hash)),
            Err(_) if line.starts_with('/') => store_dir.parse_path(line).map(RootPath::Path),
            Err(_) => StorePath::parse(line).map(RootPath::Path),
        };
        paths.push(path.map_err(|error| RootRequestError::Line(number + 1, error))?);
        if paths.len() > MAX_ROOT_PATHS {
            return Err(RootRequestError::TooManyPaths);
        }
    }
    Ok(paths)
}

/// The terms of the root in the query.
///
/// # Errors
/// When a parameter is unknown or has a value that it cannot have.
pub(super) fn parameters(
    query: &str,
) -> Result<(RootLifetime, Option<RootLabel>), RootRequestError> {
    let pairs = Query::<Vec<(String, String)>>::from_query(query);
    let Query(pairs) = pairs.map_err(|_| RootRequestError::Query)?;
    let (mut lifetime, mut label) = (RootLifetime::default(), None);
    for (key, value) in pairs {
        match key.as_str() {
            "days" => lifetime.days = Some(number("days", &value, MAX_DAYS)?),
            "revisions" => lifetime.revisions = Some(number("revisions", &value, MAX_REVISIONS)?),
            "label" => label = Some(RootLabel::parse(&value)?),
            _ => return Err(RootRequestError::UnknownParameter),
        }
    }
    Ok((lifetime, label))
}

fn number(key: &'static str, value: &str, most: u32) -> Result<NonZeroU32, RootRequestError> {
    let number = value.parse().ok().filter(|number: &NonZeroU32| number.get() <= most);
    number.ok_or(RootRequestError::Number(key, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_a_path_or_hash_part_on_each_line() {
        let hash = "4hgnzv75gip1q649b6g1xql7g25p304s";
        let body = format!("# all of it\n\n/nix/store/{hash}-a\r\n  {hash}\n{hash}-b");
        let paths = paths(body.as_bytes(), &StoreDir::default()).unwrap();
        let path = |name| RootPath::Path(StorePath::parse(&format!("{hash}-{name}")).unwrap());
        assert_eq!(paths, [path("a"), RootPath::Hash(HashPart::parse(hash).unwrap()), path("b")]);
    }

    #[test]
    fn a_body_that_is_no_list_is_refused_with_its_line() {
        for body in ["x\n/nix/store/y", "\n/etc/passwd", "\n/nix/store/x/bin", "\n../x"] {
            let error = paths(body.as_bytes(), &StoreDir::default()).unwrap_err();
            assert!(matches!(error, RootRequestError::Line(1 | 2, _)), "{error}");
        }
        assert!(paths(&[0xff], &StoreDir::default()).is_err());
        let many = "4hgnzv75gip1q649b6g1xql7g25p304s\n".repeat(MAX_ROOT_PATHS + 1);
        assert!(paths(many.as_bytes(), &StoreDir::default()).is_err());
    }

    #[test]
    fn a_parameter_that_would_not_end_a_root_is_refused() {
        let (lifetime, label) = parameters("days=7&revisions=5&label=a%20b").unwrap();
        assert_eq!((lifetime.days, lifetime.revisions()), (NonZeroU32::new(7), 5));
        assert_eq!(label.unwrap().as_str(), "a b");
        assert_eq!(parameters("").unwrap().0, RootLifetime::default());
        for query in ["day=7", "days=0", "days=x", "days=-1", "revisions=101", "label=", "days"] {
            assert!(parameters(query).is_err(), "{query}");
        }
    }
}
