//! `/nar/…`: the archives, compressed or not, whole or in part.

use actix_web::HttpRequest;
use bytes::Bytes;
use rns_cache::{NarAnswer, Piece, ReadyBody};
use rns_formats::url::NarName;

use crate::{
    caches::cache::Cache,
    connection::via_nginx,
    life_cycle::state::ServerState,
    metrics::Kind,
    response::{
        self, Answer, Caching, Entity, Part, blob,
        body::Body,
        error_response,
        preserialized::{AnswerAudience, Preserialized},
    },
};

pub(crate) async fn get(
    request: &HttpRequest,
    state: &ServerState,
    cache: &Cache,
    name: NarName,
) -> Answer {
    let nar = match cache.store.nar(&name).await {
        Ok(Some(nar)) => nar,
        Ok(None) => return response::not_found(),
        Err(error) => return error_response(&error),
    };
    let entity = entity(&name, &nar.etag());
    if entity.is_known(request.headers()) {
        return entity.not_modified();
    }
    let answer = match nar {
        NarAnswer::Finished(nar) => blob::send(request, state, &entity, (&*nar, Kind::Nar)).await,
        NarAnswer::Growing(nar) => {
            blob::send_growing(request, state, &entity, (nar, Kind::Nar)).await
        }
    };
    match answer {
        Ok(Some(answer)) => answer,
        Ok(None) => response::not_found(),
        Err(error) => error_response(&error),
    }
}

fn entity(name: &NarName, etag: &str) -> Entity {
    // The oldest URLs name only the path, whose NAR may be another one tomorrow.
    let caching = if name.nar_hash.is_some() { Caching::Immutable } else { Caching::HourAsIs };
    Entity::new("application/x-nix-nar", caching).with_etag(response::etag(etag))
}

/// Appends the head of the answer to GET, and returns the body, where nothing has to be waited for. `by_name`: it is nginx that
/// asks, and sends files itself.
pub(crate) fn at_hand(
    state: &ServerState,
    cache: &Cache,
    name: &NarName,
    (by_name, audience): (bool, AnswerAudience),
    head: &mut Vec<u8>,
) -> Option<Option<Piece>> {
    // How long an answer may be kept depends on whether its URL names the NAR.
    name.nar_hash?;
    let nar = cache
        .store
        .nar_now(name, by_name && via_nginx::sends_files(state.config.nginx.as_ref()))?;
    let entity = entity(name, &nar.etag);
    match nar.body {
        ReadyBody::FileName(file) => {
            let location = via_nginx::location_of(state.config.nginx.as_ref(), &file)?;
            Preserialized::head(&blob::by_nginx(&entity, location), 0).write(audience, head);
            Some(None)
        }
        ReadyBody::Piece(piece) => {
            let answer = entity.answer_part(&Part::Whole(nar.len), Body::Bytes(Bytes::new()));
            Preserialized::head(&answer, nar.len).write(audience, head);
            Some(Some(piece))
        }
    }
}
