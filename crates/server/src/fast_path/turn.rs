//! The state of a request in hand, which the framework's side of a connection and this side share.

use std::{cell::Cell, rc::Rc};

/// The request that the framework has. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrameworkTurn(Rc<TurnState>);

#[derive(Debug, Default)]
struct TurnState {
    is_over: Cell<bool>,
    is_last: Cell<bool>,
}

impl FrameworkTurn {
    /// To be called when the framework has got all of an answer.
    pub(crate) fn end(&self) {
        self.0.is_over.set(true);
    }

    /// Whether no other request can follow, so that the answer has to say `Connection: close`.
    pub(crate) fn is_last(&self) -> bool {
        self.0.is_last.get()
    }

    /// Begins with a request.
    pub(super) fn begin(&self) {
        self.0.is_over.set(false);
    }

    /// Whether the framework has got all of the answer.
    pub(super) fn is_over(&self) -> bool {
        self.0.is_over.get()
    }

    /// Notes that the begin of another request is unknown.
    pub(super) fn set_last(&self) {
        self.0.is_last.set(true);
    }
}
