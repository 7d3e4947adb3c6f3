//! `[storage] url`: which directory or bucket, in the spelling of Nix's own stores.

use std::{fmt, path::PathBuf, str::FromStr};

use url::Url;

/// Where the objects are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageUrl {
    /// `file:///var/cache/binary`: a directory of this machine.
    Directory(PathBuf),
    /// `s3://bucket/prefix?region=…&endpoint=…&profile=…&addressing-style=…`: a bucket of S3 or of a server that speaks
    /// its protocol.
    Bucket {
        /// The bucket.
        bucket: String,
        /// The beginning of every key; empty for the whole bucket.
        prefix: String,
        /// The region; `us-east-1` where none is named anywhere, as for Nix.
        region: Option<String>,
        /// The server, with scheme; none for AWS itself.
        endpoint: Option<Url>,
        /// The profile of the credential files.
        profile: Option<String>,
        /// Where the name of the bucket goes in a request.
        addressing_style: Option<AddressingStyle>,
    },
}

/// Where the name of the bucket goes in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressingStyle {
    /// `https://server/bucket/key`; the default with an `endpoint`.
    Path,
    /// `https://bucket.server/key`; the default without.
    Virtual,
}

/// Why a text is no storage URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageUrlError {
    /// Not a URL at all.
    #[error("not a URL: {0}; write file:///a/directory or s3://bucket")]
    NotAUrl(String),
    /// Another scheme.
    #[error("\"{0}:\" is no kind of storage; write file:///a/directory or s3://bucket")]
    Scheme(String),
    /// A `file:` URL without an absolute directory.
    #[error(
        "a directory is written with three slashes and from the root: file:///var/cache/binary"
    )]
    NotAbsolute,
    /// An `s3:` URL without a bucket.
    #[error("the bucket is missing: write s3://bucket")]
    NoBucket,
    /// A parameter that means nothing here.
    #[error("the parameter \"{0}\" means nothing here; known are {known}", known = URL_PARAMETERS.join(", "))]
    UnknownParameter(String),
    /// A parameter with a value that means nothing.
    #[error("the parameter {name} cannot be \"{value}\": {why}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
        /// The expected form.
        why: &'static str,
    },
}

/// The parameters of Nix's own `s3://` URLs that say where a bucket is.
const URL_PARAMETERS: [&str; 5] = ["region", "endpoint", "profile", "addressing-style", "scheme"];

impl FromStr for StorageUrl {
    type Err = StorageUrlError;

    fn from_str(text: &str) -> Result<Self, StorageUrlError> {
        let url = Url::parse(text).map_err(|error| StorageUrlError::NotAUrl(error.to_string()))?;
        match url.scheme() {
            "file" => directory(&url),
            "s3" => bucket(&url),
            other => Err(StorageUrlError::Scheme(other.to_owned())),
        }
    }
}

fn directory(url: &Url) -> Result<StorageUrl, StorageUrlError> {
    if let Some((name, _)) = url.query_pairs().next() {
        return Err(StorageUrlError::UnknownParameter(name.into_owned()));
    }
    let path = url.to_file_path().map_err(|()| StorageUrlError::NotAbsolute)?;
    Ok(StorageUrl::Directory(path))
}

fn bucket(url: &Url) -> Result<StorageUrl, StorageUrlError> {
    let bucket = url.host_str().filter(|host| !host.is_empty()).ok_or(StorageUrlError::NoBucket)?;
    let (mut region, mut endpoint, mut profile) = (None, None, None);
    let (mut addressing_style, mut scheme) = (None, None);
    for (name, value) in url.query_pairs() {
        let value = value.into_owned();
        match &*name {
            "region" => region = Some(value),
            "endpoint" => endpoint = Some(value),
            "profile" => profile = Some(value),
            "scheme" if matches!(&*value, "http" | "https") => scheme = Some(value),
            "scheme" => {
                return Err(StorageUrlError::Parameter {
                    name: "scheme",
                    value,
                    why: "it is http or https",
                });
            }
            "addressing-style" => addressing_style = Some(style(value)?),
            other => return Err(StorageUrlError::UnknownParameter(other.to_owned())),
        }
    }
    let endpoint = endpoint.map(|text| self::endpoint(text, scheme.as_deref())).transpose()?;
    Ok(StorageUrl::Bucket {
        bucket: bucket.to_owned(),
        prefix: url.path().trim_matches('/').to_owned(),
        region,
        endpoint,
        profile,
        addressing_style,
    })
}

/// Nix takes an endpoint with or without its scheme.
fn endpoint(text: String, scheme: Option<&str>) -> Result<Url, StorageUrlError> {
    let full = if text.contains("://") {
        text.clone()
    } else {
        format!("{}://{text}", scheme.unwrap_or("https"))
    };
    let url = Url::parse(&full).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
    });
    url.ok_or(StorageUrlError::Parameter {
        name: "endpoint",
        value: text,
        why: "it is a server, such as https://s3.example.com",
    })
}

fn style(value: String) -> Result<AddressingStyle, StorageUrlError> {
    match &*value {
        "path" => Ok(AddressingStyle::Path),
        "virtual" => Ok(AddressingStyle::Virtual),
        // Nix's name for the choice that its SDK makes, and this program too.
        "auto" => Ok(AddressingStyle::Path),
        _ => Err(StorageUrlError::Parameter {
            name: "addressing-style",
            value,
            why: "it is path, virtual or auto",
        }),
    }
}

impl fmt::Display for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "file://{}", path.display()),
            Self::Bucket { bucket, prefix, endpoint, .. } => {
                write!(f, "s3://{bucket}")?;
                if !prefix.is_empty() {
                    write!(f, "/{prefix}")?;
                }
                match endpoint {
                    Some(endpoint) => write!(f, " at {endpoint}"),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<StorageUrl>().unwrap_err().to_string()
    }

    #[test]
    fn directories_and_buckets_are_told_apart() {
        assert_eq!(
            "file:///var/cache/a%20b".parse(),
            Ok(StorageUrl::Directory("/var/cache/a b".into()))
        );
        let url = "s3://nix-cache/team/a?region=eu-1&endpoint=localhost:9000&scheme=http&profile=ci&addressing-style=virtual";
        let Ok(StorageUrl::Bucket { bucket, prefix, region, endpoint, profile, addressing_style }) =
            url.parse()
        else {
            panic!("no bucket")
        };
        assert_eq!((&*bucket, &*prefix), ("nix-cache", "team/a"));
        assert_eq!(region.as_deref(), Some("eu-1"));
        assert_eq!(endpoint.unwrap().as_str(), "http://localhost:9000/");
        assert_eq!(profile.as_deref(), Some("ci"));
        assert_eq!(addressing_style, Some(AddressingStyle::Virtual));
    }

    #[test]
    fn whatever_else_is_refused_with_a_hint() {
        assert!(error("/var/cache").contains("file:///a/directory"));
        assert!(error("https://cache.example.com").contains("no kind of storage"));
        assert!(error("file://host/x").contains("three slashes"));
        assert!(error("s3:///x").contains("bucket is missing"));
        assert!(error("s3://b?regoin=x").contains("regoin"));
        assert!(error("s3://b?endpoint=ftp://x").contains("endpoint"));
        assert!(error("file:///x?compression=zstd").contains("compression"));
    }
}
