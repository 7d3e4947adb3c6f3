//! Large NARs that clients send to the bucket themselves: they are redirected before they send anything here.

use actix_web::http::{
    Method, StatusCode,
    header::{self, HeaderMap, HeaderValue},
};
use rns_formats::url::Resource;

use super::head;
use crate::{
    caches::cache::Cache,
    connection::request_parts::RequestParts,
    response::{self, Answer},
};

/// The first version of Nix that sends a body again, from its beginning, after a redirect.
const REWINDING_NIX: (u32, u32) = (2, 29);

/// The redirect of an upload to the bucket, where it is one and the client can follow.
///
/// A client that asks while the storage cannot answer is not redirected; its upload then gets the error.
pub(crate) async fn redirect(
    request: &impl RequestParts,
    cache: &Cache,
    resource: Option<&Resource>,
) -> Option<Answer> {
    let (Some(uploads), Some(Resource::Nar(name))) = (&cache.uploads, resource) else {
        return None;
    };
    let head = request.head();
    let is_as_it_is = !head.headers.contains_key(header::CONTENT_ENCODING);
    if head.method != Method::PUT || !is_as_it_is || !sends_again(&head.headers) {
        return None;
    }
    let length = head::length(&head.headers)?;
    let url = uploads.target.direct_upload(name, length).await.ok()??;
    let mut answer = response::plain(StatusCode::TEMPORARY_REDIRECT, "");
    answer.headers_mut().insert(header::LOCATION, HeaderValue::try_from(url).ok()?);
    Some(answer)
}

/// Whether the client says that it is a Nix that can send a body again.
fn sends_again(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let versions = agent.unwrap_or_default().split(' ');
    versions.filter_map(|word| version(word.strip_prefix("Nix/")?)).any(|of| of >= REWINDING_NIX)
}

/// Major and minor number of a version such as `2.34.8` or `2.29pre20250521_c9d31d1`.
fn version(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.split_once('.')?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    Some((major.parse().ok()?, rest.get(..end)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nix_that_is_known_to_rewind_is_redirected() {
        let follows = |agent: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, HeaderValue::try_from(agent).unwrap());
            sends_again(&headers)
        };
        for agent in ["curl/8.14.1 Nix/2.34.8", "Nix/2.29pre20250521_c9d31d1", "curl/9 Nix/3.0"] {
            assert!(follows(agent), "{agent}");
        }
        for agent in
            ["curl/8.14.1", "curl/7.85.0 Nix/2.8.0", "Nix/2.28.4", "Lix/2.94.0", "Nix/2", "Nix/x.y"]
        {
            assert!(!follows(agent), "{agent}");
        }
        assert!(!sends_again(&HeaderMap::new()));
    }
}
