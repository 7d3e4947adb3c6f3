//! Who answers what is read from a connection: the framework, or, for the narinfos that nearly all requests are for, this
//! program before the framework sees them.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use rns_cache::Piece;
use rns_formats::url::Resource;

use super::head_parser::Head;
use crate::{metrics::Transfer, response::send_budget::Share};

/// The framework has its own idea of how long a connection has been idle. It sees a request at least this often, so that
/// it is not wrong by more.
const SEEN: Duration = Duration::from_secs(1);

/// What can be answered without waiting.
pub(crate) trait Responder {
    /// Appends the head of the answer to a plain GET of this by anybody, and what else of it there is no use in keeping apart;
    /// returns the rest. `None` when the answer cannot be known at once; then nothing was counted.
    fn answer(&self, resource: &Resource, head: &mut Vec<u8>) -> Option<Reply>;
}

/// What follows the head of an answer.
#[derive(Default)]
pub(crate) struct Reply {
    /// Not an empty one.
    pub(crate) body: Option<Piece>,
    /// Where it counts as a download, which is complete when all has left.
    pub(crate) download: Option<(Transfer, Share)>,
}

/// Decides for one connection.
pub(super) struct Handover {
    responder: Option<Rc<dyn Responder>>,
    state: State,
    turn: FrameworkTurn,
    /// When the framework has last seen a request.
    seen: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Every request has been answered, and the framework holds no byte of another.
    Open,
    /// The framework has one request.
    Lent,
    /// The framework has what may be anything but one request. It keeps the connection.
    Closed,
}

/// Tells that the framework has answered the request that it has.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrameworkTurn(Rc<Cell<bool>>);

impl FrameworkTurn {
    /// To be called when nothing more will be written.
    pub(crate) fn end(&self) {
        self.0.set(true);
    }
}

impl Handover {
    pub(super) fn new(responder: Option<Rc<dyn Responder>>) -> Self {
        Self { responder, state: State::Open, turn: FrameworkTurn::default(), seen: None }
    }

    pub(super) const fn turn(&self) -> &FrameworkTurn {
        &self.turn
    }

    /// Takes what was read, at least one byte. Either there is an answer (as [`Responder::answer`]), or the bytes are for the
    /// framework.
    pub(super) fn take(&mut self, bytes: &[u8], head: &mut Vec<u8>) -> Option<Reply> {
        self.take_at(Instant::now, bytes, head)
    }

    fn take_at(
        &mut self,
        now: impl FnOnce() -> Instant,
        bytes: &[u8],
        head: &mut Vec<u8>,
    ) -> Option<Reply> {
        // Without a look at them: there is no way back.
        if self.state == State::Closed {
            return None;
        }
        self.state = match (self.state, Head::of(bytes)) {
            (State::Open, Head::Plain(resource)) => {
                let (now, responder) = (now(), self.responder.as_ref());
                let is_seen = self.seen.is_some_and(|seen| now.duration_since(seen) < SEEN);
                let responder = responder.filter(|_| is_seen);
                if let Some(reply) =
                    responder.and_then(|responder| responder.answer(&resource, head))
                {
                    return Some(reply);
                }
                self.seen = Some(now);
                State::Lent
            }
            (State::Open, Head::Other) => {
                self.seen = Some(now());
                State::Lent
            }
            _ => State::Closed,
        };
        None
    }

    /// Whether the framework has nothing to do.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Everything that was written has left.
    pub(super) fn flushed(&mut self) {
        if self.state == State::Lent && self.turn.0.take() {
            self.state = State::Open;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARINFO: &[u8] =
        b"GET /00000000000000000000000000000001.narinfo HTTP/1.1\r\nHost: x\r\n\r\n";
    const OTHER: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    struct Always;

    impl Responder for Always {
        fn answer(&self, _: &Resource, head: &mut Vec<u8>) -> Option<Reply> {
            head.extend_from_slice(b"answer");
            Some(Reply::default())
        }
    }

    /// A handover, and a clock.
    struct Lab {
        handover: Handover,
        now: Instant,
    }

    impl Lab {
        fn new() -> Self {
            Self { handover: Handover::new(Some(Rc::new(Always))), now: Instant::now() }
        }

        /// Whether the framework is passed by.
        fn is_answered(&mut self, bytes: &[u8]) -> bool {
            let (now, mut head) = (self.now, Vec::new());
            let reply = self.handover.take_at(|| now, bytes, &mut head);
            assert_eq!(reply.is_some(), head == b"answer");
            reply.is_some()
        }

        /// The framework answers what it has.
        fn answer(&mut self) {
            self.handover.turn().end();
            self.handover.flushed();
        }
    }

    #[test]
    fn the_framework_sees_the_first_request_and_one_in_a_second() {
        let mut lab = Lab::new();
        assert!(!lab.is_answered(NARINFO));
        lab.answer();
        assert!(lab.is_answered(NARINFO) && lab.is_answered(NARINFO));
        lab.now += SEEN;
        assert!(!lab.is_answered(NARINFO));
        lab.answer();
        assert!(lab.is_answered(NARINFO));
    }

    #[test]
    fn nothing_overtakes_an_answer_of_the_framework() {
        let mut lab = Lab::new();
        assert!(!lab.is_answered(OTHER));
        // Flushing the first half of an answer ends nothing.
        lab.handover.flushed();
        assert!(!lab.handover.is_open());
        assert!(!lab.is_answered(NARINFO), "it arrives too early");
        lab.answer();
        assert!(!lab.is_answered(NARINFO), "the framework may hold another request by now");
    }

    #[test]
    fn what_may_not_be_one_request_is_the_frameworks_for_good() {
        for unclear in [&b"GET /"[..], b"\r\n", &[NARINFO, NARINFO].concat(), b"\0"] {
            let mut lab = Lab::new();
            assert!(!lab.is_answered(OTHER));
            lab.answer();
            assert!(lab.is_answered(NARINFO));
            assert!(!lab.is_answered(unclear));
            lab.answer();
            assert!(!lab.is_answered(NARINFO));
        }
    }

    #[test]
    fn where_nobody_answers_the_framework_does() {
        let mut lab = Lab { handover: Handover::new(None), now: Instant::now() };
        for _ in 0..3 {
            assert!(!lab.is_answered(NARINFO));
            lab.answer();
        }
        assert!(lab.handover.is_open());
    }
}
