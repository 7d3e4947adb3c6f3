//! Pieces that a connection is to send beside the bytes of the framework.

use std::{cell::RefCell, rc::Rc};

use rns_cache::Piece;

/// The place for the one piece of a body that a connection sends at a time.
///
/// It leaves behind the bytes that were written before it was put here, and nothing may be written until [`Self::is_empty`]: a body
/// that has put something here is not ready to go on. It is polled again when that has left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox(Rc<RefCell<Option<Piece>>>);

impl Outbox {
    /// Whether everything has been handed to the kernel.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_none()
    }

    /// Puts a piece into an empty box.
    pub(crate) fn put(&self, piece: Piece) {
        self.0.replace(Some(piece));
    }

    pub(super) fn take(&self) -> Option<Piece> {
        self.0.take()
    }
}
