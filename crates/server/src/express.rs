//! What is answered before the framework sees the request: narinfos that were rendered, paths that are certainly not
//! there, and small compressed NARs that are there; all of a single cache that everybody may read, where no client is limited.

use std::{
    rc::Rc,
    sync::{Arc, LazyLock},
};

use rns_formats::url::Resource;
use rns_store::Piece;

use crate::{
    access::Permission,
    answer,
    listen::Purpose,
    metrics::Kind,
    prepared::Prepared,
    routes::{compressed, narinfo},
    state::State,
    wire::{self, Reply},
};

/// The answer for what is not there.
static ABSENT: LazyLock<Prepared> =
    LazyLock::new(|| Prepared::new(&answer::not_found(), answer::NOT_FOUND.as_bytes()));

/// Answers for all connections of a worker.
pub(crate) struct Express {
    state: Arc<State>,
    purpose: Purpose,
}

impl Express {
    /// `None` where nobody asks for narinfos.
    pub(crate) fn of(state: &Arc<State>, purpose: Purpose) -> Option<Rc<dyn wire::Express>> {
        match purpose {
            Purpose::Clients | Purpose::Nginx => {
                Some(Rc::new(Self { state: Arc::clone(state), purpose }))
            }
            Purpose::Watchers => None,
        }
    }
}

impl wire::Express for Express {
    fn answer(&self, resource: &Resource, head: &mut Vec<u8>) -> Option<Reply> {
        let state = &*self.state;
        let views = state.views.load();
        let view = views.sole()?;
        if state.limiter.is_any() || !view.access.everybody_may(Permission::Read) {
            return None;
        }
        match resource {
            Resource::NarInfo { hash, json: false } => {
                let rendered = narinfo::known(state, view, *hash)?;
                let (status, prepared) =
                    rendered.as_ref().map_or((404, &*ABSENT), |rendered| (200, &rendered.prepared));
                prepared.write(head);
                state.metrics.answered(Kind::NarInfo, status);
                state.metrics.bytes(Kind::NarInfo, prepared.body_len());
                Some(Reply::default())
            }
            Resource::Nar(name) => {
                // A file is held as long as the client takes.
                let slot = Arc::clone(&state.downloads).try_acquire_owned().ok()?;
                let by_name = self.purpose == Purpose::Nginx;
                let body = compressed::at_hand(state, view, name, by_name, head)?;
                state.metrics.answered(Kind::Nar, 200);
                let mut transfer = state.metrics.transfer(Kind::Nar);
                transfer.sent(body.as_ref().map_or(0, Piece::left));
                Some(Reply { body, download: Some((transfer, slot)) })
            }
            _ => None,
        }
    }
}
