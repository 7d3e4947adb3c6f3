//! Uploads in parts that a server began and was killed over: a bucket keeps, and bills, their parts.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use chrono::DateTime;
use object_store::{
    aws::{AmazonS3, AwsAuthorizer},
    client::HttpRequestBody,
    multipart::MultipartStore as _,
    path::Path,
    signer::Signer as _,
};
use reqwest::{Client, Method, StatusCode, header::HeaderMap};
use url::Url;

/// Uploads that a bucket lists at a time.
const MULTIPARTS_PAGE: usize = 1000;

/// How long the bucket may take for one page of the list.
const LIST_TIMEOUT: Duration = Duration::from_secs(60);

/// How often the list is asked for, where a connection breaks.
const MAX_LIST_ATTEMPTS: u32 = 3;

/// The unfinished uploads of a bucket, which the library can end and not list.
pub(super) struct Multiparts {
    store: Arc<AmazonS3>,
    region: String,
}

/// Why they cannot be listed or ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum MultipartError {
    #[error(transparent)]
    Store(#[from] object_store::Error),
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Request(#[from] http::Error),
    #[error("the list of them is refused with {0}")]
    Refused(StatusCode),
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
struct UnfinishedUpload {
    key: String,
    id: String,
    begun: SystemTime,
}

impl Multiparts {
    pub(super) const fn new(store: Arc<AmazonS3>, region: String) -> Self {
        Self { store, region }
    }

    /// Ends those of keys with this prefix that were begun before `newest`. Returns how many. A server that cannot list them
    /// has a rule of its own, or none.
    ///
    /// # Errors
    /// When the bucket refuses, or cannot be reached.
    pub(super) async fn abort(
        &self,
        prefix: &str,
        newest: SystemTime,
    ) -> Result<u64, MultipartError> {
        let mut aborted = 0;
        loop {
            let Some(listed) = self.list(prefix).await? else { return Ok(aborted) };
            let old =
                listed.iter().filter(|one| one.begun <= newest && one.key.starts_with(prefix));
            let mut ended = 0;
            for one in old {
                let Ok(path) = Path::parse(&one.key) else { continue };
                match self.store.abort_multipart(&path, &one.id).await {
                    // It ended in another way meanwhile.
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => ended += 1,
                    Err(error) => return Err(error.into()),
                }
            }
            aborted += ended;
            // Old ones behind a whole page of young ones wait until these get old.
            if listed.len() < MULTIPARTS_PAGE || ended == 0 {
                return Ok(aborted);
            }
        }
    }

    /// The first page of all of them.
    async fn list(&self, prefix: &str) -> Result<Option<Vec<UnfinishedUpload>>, MultipartError> {
        let mut url = self.bucket_url().await?;
        url.query_pairs_mut()
            .append_pair("max-uploads", &MULTIPARTS_PAGE.to_string())
            .append_pair("prefix", prefix)
            .append_pair("uploads", "");
        let mut request = http::Request::get(url.as_str()).body(HttpRequestBody::empty())?;
        let credential = self.store.credentials().get_credential().await?;
        AwsAuthorizer::new(&credential, "s3", &self.region).try_authorize(&mut request, None)?;
        let client = Client::builder().timeout(LIST_TIMEOUT).build()?;
        let mut attempt = 1;
        loop {
            match page(&client, &url, request.headers()).await {
                Ok((StatusCode::OK, text)) => return Ok(Some(unfinished(&text))),
                Ok((StatusCode::NOT_IMPLEMENTED | StatusCode::METHOD_NOT_ALLOWED, _)) => {
                    return Ok(None);
                }
                Ok((refused, _)) => return Err(MultipartError::Refused(refused)),
                Err(error) if attempt == MAX_LIST_ATTEMPTS || error.is_timeout() => {
                    return Err(error.into());
                }
                Err(_) => attempt += 1,
            }
        }
    }

    /// The URL of the bucket, in the style that its configuration has.
    async fn bucket_url(&self) -> Result<Url, MultipartError> {
        let object = Path::from("x");
        let mut url = self.store.signed_url(Method::GET, &object, LIST_TIMEOUT).await?;
        url.set_query(None);
        let path = url.path().strip_suffix("/x").unwrap_or_default().to_owned();
        url.set_path(&path);
        Ok(url)
    }
}

async fn page(
    client: &Client,
    url: &Url,
    headers: &HeaderMap,
) -> Result<(StatusCode, String), reqwest::Error> {
    let answer = client.get(url.clone()).headers(headers.clone()).send().await?;
    Ok((answer.status(), answer.text().await?))
}

/// The entries of a `ListMultipartUploadsResult`.
fn unfinished(xml: &str) -> Vec<UnfinishedUpload> {
    let uploads = xml.split("<Upload>").skip(1);
    let parsed = uploads.filter_map(|upload| {
        let begun = DateTime::parse_from_rfc3339(&element(upload, "Initiated")?).ok()?;
        Some(UnfinishedUpload {
            key: element(upload, "Key")?,
            id: element(upload, "UploadId")?,
            begun: begun.into(),
        })
    });
    parsed.collect()
}

/// The text of the first element of this name.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let unescaped = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    Some(unescaped.replace("&apos;", "'").replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_servers_write_it() {
        let xml = "<?xml version=\"1.0\"?>\n<ListMultipartUploadsResult><Bucket>b</Bucket>\
            <Upload><Key>nar/a&amp;b.nar</Key><UploadId>x/+=</UploadId><Initiator><ID>i</ID></Initiator>\
            <Initiated>1970-01-01T00:01:00.000Z</Initiated></Upload>\
            <Upload><Key>nar/c.nar</Key><Initiated>never</Initiated><UploadId>y</UploadId></Upload>\
            </ListMultipartUploadsResult>";
        let begun = SystemTime::UNIX_EPOCH + Duration::from_secs(60);
        let found = unfinished(xml);
        assert_eq!(
            found,
            [UnfinishedUpload { key: "nar/a&b.nar".into(), id: "x/+=".into(), begun }]
        );
        assert_eq!(unfinished(""), []);
    }
}
