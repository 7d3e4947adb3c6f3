//! Roots: names under which a server of this program keeps paths with all that they refer to.

use bytes::Bytes;
use reqwest::{Method, StatusCode};

use crate::{
    cache_client::CacheClient,
    error::{RequestError, RequestFailure},
    send::CacheRequest,
};

/// The longest list of roots, in bytes.
const MAX_LIST_BYTES: usize = 16 << 20;

/// A root that is to be set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootRequest {
    /// Its name: parts with slashes between them.
    pub name: String,
    /// The full paths that it keeps.
    pub paths: Vec<String>,
    /// The days after which this revision goes.
    pub days: Option<u32>,
    /// The number of revisions that stay.
    pub revisions: Option<u32>,
    /// A few words about this revision.
    pub label: Option<String>,
}

/// The form of an answer about a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerForm {
    /// A line.
    Text,
    /// An object.
    Json,
}

impl AnswerForm {
    const fn accept(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Json => "application/json",
        }
    }
}

impl CacheClient {
    /// Sets a root, as a new revision of its name. Returns the server's report.
    ///
    /// # Errors
    /// When it is refused: the closure is not there whole, or the credential may not pin.
    pub async fn put_root(
        &self,
        root: &RootRequest,
        form: AnswerForm,
    ) -> Result<Bytes, RequestError> {
        let mut url = self.root_url(&root.name)?;
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        let parameters = [
            ("days", number(root.days)),
            ("revisions", number(root.revisions)),
            ("label", root.label.clone()),
        ];
        for (name, value) in parameters {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, &value);
            }
        }
        let body = Bytes::from(root.paths.join("\n") + "\n");
        let put = CacheRequest::put(url, "text/plain", body.into());
        let accept = Some(form.accept());
        let request = CacheRequest { accept, answer_limit: MAX_LIST_BYTES, ..put };
        Ok(self.send(&request, &[]).await?.body)
    }

    /// The page of roots that follow `after`, as the JSON of the server.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn roots(&self, after: Option<&str>) -> Result<Bytes, RequestError> {
        let mut url = self.below(self.url(), "gcroots")?;
        if let Some(after) = after {
            url.query_pairs_mut().append_pair("after", after);
        }
        let request = CacheRequest {
            accept: Some("application/json"),
            ..CacheRequest::get(url, MAX_LIST_BYTES)
        };
        Ok(self.send(&request, &[]).await?.body)
    }

    /// Deletes a root with all its revisions. Returns false if there was none.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn delete_root(&self, name: &str) -> Result<bool, RequestError> {
        let url = self.root_url(name)?;
        let request =
            CacheRequest { method: Method::DELETE, ..CacheRequest::get(url, MAX_LIST_BYTES) };
        let reply = self.send(&request, &[StatusCode::NOT_FOUND]).await?;
        Ok(reply.status != StatusCode::NOT_FOUND)
    }

    fn root_url(&self, name: &str) -> Result<url::Url, RequestError> {
        let base = self.below(self.url(), "gcroots")?;
        let mut url = base.clone();
        let parts = name.split('/').filter(|part| !part.is_empty() && !part.starts_with('.'));
        if parts.clone().count() != name.split('/').count() {
            let why = format!("`{name}` is no name of a root");
            return Err(RequestError::new(base.as_str(), RequestFailure::Unusable(why)));
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(parts);
        }
        Ok(url)
    }
}
