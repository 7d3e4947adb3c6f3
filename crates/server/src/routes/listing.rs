//! `/<hash part>.ls`: what is in a path, with the offset of every file in its NAR.

use actix_web::HttpRequest;
use rns_formats::HashPart;

use crate::{
    answer::{self, Answer, Caching, Entity},
    refusal::refuse,
    views::View,
};

pub(crate) async fn get(request: &HttpRequest, view: &View, hash: HashPart) -> Answer {
    match view.store.listing(hash).await {
        Ok(Some(listing)) => Entity::new("application/json", Caching::Hour)
            .with_etag(answer::etag(format_args!("ls-{}", listing.info.nar_hash.to_nix32())))
            .answer_bytes(request.headers(), listing.json),
        Ok(None) => answer::not_found(),
        Err(error) => refuse(&error),
    }
}
