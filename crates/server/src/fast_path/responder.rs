//! What is answered before the framework sees the request: narinfos that were rendered before, paths that are certainly not
//! there, and small compressed NARs that are there; all of a single cache that everybody may read, where no client is limited.

use std::{
    rc::Rc,
    sync::{Arc, LazyLock},
};

use rns_cache::Piece;
use rns_formats::url::Resource;

use crate::{
    auth::Permission,
    connection::listen::Purpose,
    fast_path::{self, Reply},
    life_cycle::state::State,
    metrics::Kind,
    response::{self, preserialized::Preserialized},
    router::routes::{nar, narinfo},
};

/// The answer for what is not there.
static ABSENT: LazyLock<Preserialized> =
    LazyLock::new(|| Preserialized::new(&response::not_found(), response::NOT_FOUND.as_bytes()));

/// Answers for all connections of a worker.
pub(crate) struct FastPathResponder {
    state: Arc<State>,
    purpose: Purpose,
}

impl FastPathResponder {
    /// `None` where nobody asks for narinfos.
    pub(crate) fn of(state: &Arc<State>, purpose: Purpose) -> Option<Rc<dyn fast_path::Responder>> {
        match purpose {
            Purpose::Clients | Purpose::Nginx => {
                Some(Rc::new(Self { state: Arc::clone(state), purpose }))
            }
            Purpose::Metrics => None,
        }
    }
}

impl fast_path::Responder for FastPathResponder {
    fn answer(&self, resource: &Resource, head: &mut Vec<u8>) -> Option<Reply> {
        let state = &*self.state;
        let views = state.views.load();
        let view = views.sole()?;
        if state.limiter.is_any() || !view.access.everybody_may(Permission::Read) {
            return None;
        }
        match resource {
            Resource::NarInfo { hash, json: false } => {
                let narinfo = narinfo::known(state, view, *hash)?;
                let (status, prepared) =
                    narinfo.as_ref().map_or((404, &*ABSENT), |narinfo| (200, &narinfo.prepared));
                prepared.write(head);
                state.metrics.answered(Kind::NarInfo, status);
                state.metrics.bytes(Kind::NarInfo, prepared.body_len());
                Some(Reply::default())
            }
            Resource::Nar(name) => {
                // A file is held as long as the client takes.
                let slot = Arc::clone(&state.downloads).try_acquire_owned().ok()?;
                let by_name = self.purpose == Purpose::Nginx;
                let body = nar::at_hand(state, view, name, by_name, head)?;
                state.metrics.answered(Kind::Nar, 200);
                let mut transfer = state.metrics.transfer(Kind::Nar);
                transfer.sent(body.as_ref().map_or(0, Piece::left));
                Some(Reply { body, download: Some((transfer, slot)) })
            }
            _ => None,
        }
    }
}
