//! The name by which an index knows its storage again.

use std::{fmt, path::Path};

use url::Url;

/// The hosts of AWS itself, which no URL needs to name.
const AWS: &str = ".amazonaws.com";

/// The name of a storage: the same for all spellings of its URL, and without credentials. One storage has several names
/// where servers reach it by different addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageName(String);

impl StorageName {
    /// The name of a directory, whose path has neither links nor dots.
    pub(super) fn of_directory(directory: &Path) -> Self {
        Self(format!("file://{}", directory.display()))
    }

    /// The name of a bucket, or of a part of it, at this endpoint.
    pub(super) fn of_bucket(bucket: &str, prefix: &str, endpoint: Option<&str>) -> Self {
        let slash = if prefix.is_empty() { "" } else { "/" };
        let server = endpoint.and_then(server).map(|server| format!(" at {server}"));
        Self(format!("s3://{bucket}{slash}{prefix}{}", server.unwrap_or_default()))
    }

    /// The name as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StorageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Host, port and path of an endpoint. `None` for AWS.
fn server(endpoint: &str) -> Option<String> {
    let url = Url::parse(endpoint).ok()?;
    let host = url.host_str()?.trim_end_matches('.');
    if host.ends_with(AWS) {
        return None;
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{host}{port}{}", url.path().trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_bucket_have_one_name_without_credentials() {
        let name = |prefix, endpoint| StorageName::of_bucket("cache", prefix, endpoint).to_string();
        let expected = "s3://cache/a at minio.example.org";
        for endpoint in [
            "https://minio.example.org",
            "http://minio.example.org/",
            "https://MINIO.example.org:443",
            "https://me:s3cret@minio.example.org./",
        ] {
            assert_eq!(name("a", Some(endpoint)), expected, "{endpoint}");
        }
        assert_eq!(name("", None), "s3://cache");
        assert_eq!(name("", Some("https://s3.eu-central-1.amazonaws.com")), "s3://cache");
        assert_eq!(
            name("", Some("http://localhost:9000/base/")),
            "s3://cache at localhost:9000/base"
        );
        assert_ne!(name("b", None), name("", None));
    }
}
