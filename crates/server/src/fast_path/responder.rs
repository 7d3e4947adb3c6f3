//! Answers before the framework sees the request: narinfos that are in memory, paths that are certainly not there, and small
//! compressed NARs; for every client, or for the holder of a token that was verified before.

use std::{
    rc::Rc,
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use rns_cache::Piece;
use rns_formats::{
    HashPart,
    http1::SimpleRequest,
    url::{self, NarName, Resource},
};

use crate::{
    auth,
    caches::{cache::Cache, registry::host_name},
    connection::listen::Purpose,
    fast_path::{self, FastAnswer},
    life_cycle::state::ServerState,
    metrics::Kind,
    response::{
        self,
        preserialized::{AnswerAudience, Preserialized},
    },
    router::{
        self,
        routes::{nar, narinfo},
    },
};

/// The answer for a missing path.
static ABSENT: LazyLock<Preserialized> =
    LazyLock::new(|| Preserialized::new(&response::not_found(), response::NOT_FOUND.as_bytes()));

/// Answers for all connections of a worker.
pub(crate) struct FastPathResponder {
    state: Arc<ServerState>,
    purpose: Purpose,
    /// Whether files can be sent as they are.
    sends_files: bool,
}

impl FastPathResponder {
    /// `None` where the fast path is switched off, where no client asks for narinfos, and where requests may have to wait for
    /// their turn.
    pub(crate) fn of(
        state: &Arc<ServerState>,
        purpose: Purpose,
        sends_files: bool,
    ) -> Option<Rc<dyn fast_path::Responder>> {
        if !state.config.fast_path || state.limiter.is_any() {
            return None;
        }
        match purpose {
            Purpose::Clients | Purpose::Nginx => {
                Some(Rc::new(Self { state: Arc::clone(state), purpose, sends_files }))
            }
            Purpose::Metrics => None,
        }
    }
}

impl FastPathResponder {
    /// Has the cache answer for the resource in it, to this audience, where the client may have it.
    fn answer_of_cache<T>(
        &self,
        request: &SimpleRequest<'_>,
        answer: impl FnOnce(&Cache, Resource, AnswerAudience) -> Option<T>,
    ) -> Option<T> {
        let caches = self.state.caches.load();
        let (cache, path) = caches.find(request.path, || host_name(request.host));
        let resource = url::parse(path, None)?;
        let grant = auth::authorise_read_now(&cache.access, request.authorization)?;
        let cache = router::scoped(cache, &grant).ok()?;
        let audience =
            if grant.private { AnswerAudience::OneClient } else { AnswerAudience::Everybody };
        answer(&cache, resource, audience)
    }

    /// Has a narinfo, or its absence, sent with this status, and counts it.
    fn narinfo<T>(
        &self,
        (cache, is_head): (&Cache, bool),
        hash: HashPart,
        send: impl FnOnce(u16, &Preserialized) -> Option<T>,
    ) -> Option<T> {
        let narinfo = narinfo::peek(&self.state, cache, hash)?;
        let (status, prepared) =
            narinfo.as_ref().map_or((404, &*ABSENT), |narinfo| (200, &narinfo.prepared));
        self.counted((Kind::NarInfo, is_head), (status, prepared), send)
    }

    /// Has the absence of a NAR sent, and counts it.
    fn absent_nar<T>(
        &self,
        (cache, is_head): (&Cache, bool),
        name: &NarName,
        send: impl FnOnce(u16, &Preserialized) -> Option<T>,
    ) -> Option<T> {
        let is_absent = cache.store.lacks_nar(name);
        is_absent.then(|| self.counted((Kind::Nar, is_head), (404, &ABSENT), send)).flatten()
    }

    fn counted<T>(
        &self,
        (kind, is_head): (Kind, bool),
        (status, prepared): (u16, &Preserialized),
        send: impl FnOnce(u16, &Preserialized) -> Option<T>,
    ) -> Option<T> {
        let sent = send(status, prepared)?;
        self.state.metrics.answered(kind, status);
        self.state.metrics.bytes(kind, if is_head { 0 } else { prepared.body_len() });
        Some(sent)
    }

    /// Appends the head of the answer to GET for a NAR that is at hand.
    fn nar_at_hand(
        &self,
        cache: &Cache,
        name: &NarName,
        audience: AnswerAudience,
        head: &mut Vec<u8>,
    ) -> Option<FastAnswer> {
        let state = &*self.state;
        // A file is held as long as the client takes.
        let share = state.send_budget.try_download()?;
        let by_name = self.purpose == Purpose::Nginx;
        let body = nar::at_hand(state, cache, name, (by_name, audience), head)?;
        state.metrics.answered(Kind::Nar, 200);
        let mut transfer = state.metrics.transfer(Kind::Nar);
        transfer.sent(body.as_ref().map_or(0, Piece::left));
        Some(FastAnswer { body, download: Some((transfer, share)) })
    }
}

impl fast_path::Responder for FastPathResponder {
    fn answer(&self, request: &SimpleRequest<'_>, head: &mut Vec<u8>) -> Option<FastAnswer> {
        let is_head = request.is_head;
        self.answer_of_cache(request, |cache, resource, audience| {
            let prepared = |head: &mut Vec<u8>, prepared: &Preserialized| {
                if is_head {
                    prepared.write_head(audience, head)
                } else {
                    prepared.write(audience, head)
                }
                Some(FastAnswer::default())
            };
            match resource {
                Resource::NarInfo { hash, json: false } => {
                    self.narinfo((cache, is_head), hash, |_, answer| prepared(head, answer))
                }
                Resource::Nar(name) => {
                    let is_sent = self.sends_files && !is_head;
                    let sent = is_sent.then(|| self.nar_at_hand(cache, &name, audience, head));
                    let absent = || {
                        self.absent_nar((cache, is_head), &name, |_, answer| prepared(head, answer))
                    };
                    sent.flatten().or_else(absent)
                }
                _ => None,
            }
        })
    }

    fn answer_stream(&self, request: &SimpleRequest<'_>) -> Option<http::Response<Bytes>> {
        let is_head = request.is_head;
        self.answer_of_cache(request, |cache, resource, audience| {
            let send = |status, prepared: &Preserialized| {
                let answer = prepared.stream_answer(status, audience)?;
                Some(if is_head { answer.map(|_| Bytes::new()) } else { answer })
            };
            match resource {
                Resource::NarInfo { hash, json: false } => {
                    self.narinfo((cache, is_head), hash, send)
                }
                Resource::Nar(name) => self.absent_nar((cache, is_head), &name, send),
                _ => None,
            }
        })
    }
}
