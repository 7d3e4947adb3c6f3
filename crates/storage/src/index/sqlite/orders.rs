//! The orders of a push, which are carried out in a transaction that many of them share.

use rns_cache::Pusher;
use rns_formats::HashPart;
use rusqlite::Connection;

use super::{order_record::RecordedOrder, rows};
use crate::{
    index::{IndexedNar, NewPath, PublishRefusal},
    objects::ObjectKey,
};

/// By when an order survives the end of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// Before it is acknowledged: it is committed. With `storage.sync` it survives a power loss, too.
    Now,
    /// Before it is acknowledged: it is in the redo log with all orders before it, or committed where there is no log.
    Logged,
    /// With the next one that is logged or committed, or some milliseconds later. Without it something is checked or noted again, and
    /// nothing that was acknowledged is lost: docs/decisions/0012-uploads.md has the reasons.
    Later,
}

/// An order that can be carried out again, on the same state of the index and with the same result.
pub(super) trait IndexOrder: Send + 'static {
    type Outcome: Send + 'static;

    /// Carries it out. `at` is the present time in seconds since 1970, or that of the first time.
    fn carry_out(&self, connection: &Connection, at: i64) -> rusqlite::Result<Self::Outcome>;

    fn durability(&self, _: &Self::Outcome) -> Durability {
        Durability::Later
    }

    fn record(&self) -> RecordedOrder<'_>;
}

/// A NAR was stored.
pub(super) struct PutNar {
    pub(super) key: ObjectKey,
    pub(super) nar: IndexedNar,
}

impl IndexOrder for PutNar {
    type Outcome = ();

    fn carry_out(&self, connection: &Connection, at: i64) -> rusqlite::Result<()> {
        rows::put_nar(connection, &self.key, &self.nar, at)
    }

    fn record(&self) -> RecordedOrder<'_> {
        RecordedOrder::put_nar(&self.key, &self.nar)
    }
}

/// A NAR of a new name is about to be stored.
pub(super) struct EnterNewNar {
    pub(super) key: ObjectKey,
    pub(super) nar: IndexedNar,
}

impl IndexOrder for EnterNewNar {
    /// Whether it was noted.
    type Outcome = bool;

    fn carry_out(&self, connection: &Connection, at: i64) -> rusqlite::Result<bool> {
        rows::put_new_nar(connection, &self.key, &self.nar, at)
    }

    fn record(&self) -> RecordedOrder<'_> {
        RecordedOrder::enter_new_nar(&self.key, &self.nar)
    }
}

/// A path is about to be published.
pub(super) struct BeginPublish {
    pub(super) path: NewPath,
    pub(super) pusher: Option<Pusher>,
}

impl IndexOrder for BeginPublish {
    type Outcome = Option<PublishRefusal>;

    fn carry_out(&self, connection: &Connection, at: i64) -> rusqlite::Result<Self::Outcome> {
        rows::begin_publish(connection, &self.path, self.pusher.as_ref(), at)
    }

    fn durability(&self, refusal: &Self::Outcome) -> Durability {
        match refusal {
            None => Durability::Logged,
            // A path that is told to be there stays for its grace.
            Some(_) => Durability::Now,
        }
    }

    fn record(&self) -> RecordedOrder<'_> {
        RecordedOrder::begin_publish(&self.path, self.pusher.as_ref())
    }
}

/// A path was published.
pub(super) struct EndPublish {
    pub(super) hash: HashPart,
    pub(super) pusher: Option<Pusher>,
}

impl IndexOrder for EndPublish {
    type Outcome = ();

    fn carry_out(&self, connection: &Connection, at: i64) -> rusqlite::Result<()> {
        rows::end_publish(connection, &self.hash, self.pusher.as_ref(), at)
    }

    fn record(&self) -> RecordedOrder<'_> {
        RecordedOrder::end_publish(&self.hash, self.pusher.as_ref())
    }
}
