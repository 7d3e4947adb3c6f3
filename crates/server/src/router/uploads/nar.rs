//! `PUT /nar/…`: a NAR, taken as it comes.

use actix_web::http::StatusCode;
use rns_cache::{PublishError, WritableCache};
use rns_formats::url::NarName;

use super::body::IncomingBody;

/// Hands the bytes on as they come: a client sends no faster than they are checked and stored.
pub(super) async fn put(
    target: &dyn WritableCache,
    name: &NarName,
    mut incoming: IncomingBody<'_>,
) -> Result<StatusCode, PublishError> {
    if incoming.encoding()?.is_some() {
        return Err(PublishError::Malformed {
            object: name.to_string(),
            why: "a NAR is not compressed once more for its way".to_owned(),
        });
    }
    let mut upload = target.begin_nar(name, incoming.length()).await?;
    // Dropping the upload leaves nothing behind.
    while let Some(chunk) = incoming.next().await? {
        upload.write(chunk).await?;
    }
    upload.finish().await.map(|_| StatusCode::CREATED)
}
