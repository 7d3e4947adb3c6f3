//! `PUT /nar/…`: a NAR, taken as it comes.

use actix_web::{
    HttpRequest,
    http::{StatusCode, header},
    web::Payload,
};
use rns_cache::{PublishError, WritableCache};
use rns_formats::url::NarName;
use tokio_stream::StreamExt as _;

use super::body;
use crate::{life_cycle::state::State, metrics::Kind};

/// Hands the bytes on as they come: a client sends no faster than they are checked and stored.
pub(super) async fn put(
    request: &HttpRequest,
    state: &State,
    target: &dyn WritableCache,
    name: &NarName,
    mut payload: Payload,
) -> Result<StatusCode, PublishError> {
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(PublishError::Malformed {
            object: name.to_string(),
            why: "a NAR is not compressed once more for its way".to_owned(),
        });
    }
    let _upload = state.metrics.upload(Kind::Nar);
    let mut upload = target.begin_nar(name, body::length(request)).await?;
    while let Some(chunk) = payload.next().await {
        // Dropping the upload leaves nothing behind.
        upload.write(chunk.map_err(|_| body::cut_short())?).await?;
    }
    upload.finish().await.map(|_| StatusCode::CREATED)
}
