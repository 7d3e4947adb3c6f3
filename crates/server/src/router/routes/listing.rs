//! `/<hash part>.ls`: what is in a path, with the offset of every file in its NAR.

use actix_web::HttpRequest;
use rns_formats::HashPart;

use crate::{
    caches::registry::Cache,
    response::{self, Answer, Caching, Entity, error::error_response},
};

pub(crate) async fn get(request: &HttpRequest, view: &Cache, hash: HashPart) -> Answer {
    match view.store.listing(hash).await {
        Ok(Some(listing)) => Entity::new("application/json", Caching::Hour)
            .with_etag(response::etag(&listing.etag))
            .answer_bytes(request.headers(), listing.json),
        Ok(None) => response::not_found(),
        Err(error) => error_response(&error),
    }
}
