//! Lets one request at a time through to the framework.

use std::rc::Rc;

use bytes::{Buf as _, Bytes, BytesMut};
use rns_cache::Piece;
use rns_formats::http1::{MAX_HEAD, ReadHead, RequestBody, SimpleRequest, read_head};
use tokio::io::ReadBuf;

use super::turn::FrameworkTurn;
use crate::{metrics::Transfer, response::send_budget::SendShare};

/// Bytes that are read ahead while a request is answered. A client that goes away is noticed by reading only.
const MAX_READ_AHEAD: usize = 16 << 10;

/// Bytes of a body that are thrown away behind its answer. A client that looks at answers stops long before.
const MAX_DISCARDED_BYTES: usize = 64 << 20;

/// The longest body of a request that is answered on a thread that may block, in bytes: it is carried out at once.
const MAX_SMALL_UPLOAD_BYTES: u64 = 64 << 10;

/// Answers requests without waiting.
pub(crate) trait Responder {
    /// Appends the head of the answer, and a body that is small enough to go with it; returns the rest. `None` when
    /// the answer cannot be known without waiting; then nothing was counted.
    fn answer(&self, request: &SimpleRequest<'_>, head: &mut Vec<u8>) -> Option<FastAnswer>;

    /// The whole answer over HTTP/2, or `None` as above.
    fn answer_stream(&self, request: &SimpleRequest<'_>) -> Option<http::Response<Bytes>>;
}

/// The rest of an answer, behind its head.
#[derive(Default)]
pub(crate) struct FastAnswer {
    /// Not an empty one.
    pub(crate) body: Option<Piece>,
    /// Where it counts as a download, which is complete when all has left.
    pub(crate) download: Option<(Transfer, SendShare)>,
}

/// The outcome of bytes from the client.
pub(super) enum Passage {
    /// Some are for the framework now.
    HandedOver,
    /// A request is answered, without the framework.
    Answered(FastAnswer),
    /// They wait for more, or for the end of an answer.
    Waiting,
    /// The request that they begin is for a thread of the other kind.
    ForOtherThread,
}

/// A kind of thread that answers requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThreadKind {
    /// An event loop, on which nothing blocks.
    Worker,
    /// A thread for small uploads and nothing else. It may block.
    UploadWorker,
}

/// The bytes that a client has sent and that are not read yet, and the request that the framework has.
pub(super) struct RequestGate {
    responder: Option<Rc<dyn Responder>>,
    /// The thread that this is, where requests can be handed to one of the other kind.
    thread: Option<ThreadKind>,
    turn: FrameworkTurn,
    phase: Phase,
    answer_head: AnswerHead,
    unread: BytesMut,
    /// How many of them were found to be part of a head, and no more.
    partial: usize,
    /// Whether the client will send nothing more, or is not listened to any more.
    is_ended: bool,
    /// How many bytes have come behind the answer to their request.
    discarded: usize,
    /// Whether the framework has seen a request. Until then it waits for the first one, and for so long only.
    has_seen_one: bool,
}

enum Phase {
    /// Every request before the unread bytes has been answered.
    Idle,
    /// The framework has a request, or part of it.
    Lent {
        /// Bytes of its head that the framework has not got.
        head: usize,
        /// The rest of the body, which it has not got.
        body: RequestBody,
        /// Whether the answer has left.
        is_answered: bool,
    },
    /// The last answer has left. Later bytes are dropped.
    Closing,
    /// Everything is for the framework: the begin of another request is unknown.
    Open,
}

/// The connection after an answer of the framework, by the head of that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AnswerHead {
    Awaited,
    StaysOpen,
    Closes,
}

impl RequestGate {
    pub(super) fn new(responder: Option<Rc<dyn Responder>>) -> Self {
        Self {
            responder,
            thread: None,
            turn: FrameworkTurn::default(),
            phase: Phase::Idle,
            answer_head: AnswerHead::Awaited,
            unread: BytesMut::new(),
            partial: 0,
            is_ended: false,
            discarded: 0,
            has_seen_one: false,
        }
    }

    /// The same behind bytes that were read before, on a thread of this kind if requests can go to the other one.
    pub(super) fn behind(mut self, unread: BytesMut, thread: Option<ThreadKind>) -> Self {
        self.thread = thread;
        self.unread = unread;
        self
    }

    /// Takes the bytes that are to be read on another thread. The client sends nothing more to this one.
    pub(super) fn leave(&mut self) -> BytesMut {
        self.end();
        std::mem::take(&mut self.unread)
    }

    /// Whether this is a thread of this kind.
    pub(super) fn is_on(&self, thread: ThreadKind) -> bool {
        self.thread == Some(thread)
    }

    /// Answers all requests from now on.
    pub(super) const fn stay(&mut self) {
        self.thread = None;
    }

    pub(super) const fn turn(&self) -> &FrameworkTurn {
        &self.turn
    }

    /// Whether the framework has nothing to do.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// Whether the bytes of the client go straight through.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open) && self.unread.is_empty()
    }

    /// How many bytes may be read from the client.
    pub(super) fn room(&self) -> usize {
        match (self.is_ended, &self.phase) {
            (true, _) => 0,
            (false, Phase::Lent { .. }) => MAX_READ_AHEAD.saturating_sub(self.unread.len()),
            // The parser refuses a head that is too long.
            (false, Phase::Idle | Phase::Closing | Phase::Open) => MAX_READ_AHEAD,
        }
    }

    /// How many bytes of a head have come that is not whole.
    pub(super) fn partial_head(&self) -> usize {
        if self.is_idle() { self.unread.len() } else { 0 }
    }

    /// Notes that the client will send nothing more.
    pub(super) const fn end(&mut self) {
        self.is_ended = true;
    }

    /// Whether the framework is to know by now that the client will send nothing more.
    pub(super) fn is_at_end(&self) -> bool {
        // The rest of a request that will never be whole is of no use.
        self.is_ended && (!matches!(self.phase, Phase::Lent { .. }) || self.unread.is_empty())
    }

    /// Looks at the bytes that were read before.
    pub(super) fn resume(&mut self, room: &mut ReadBuf<'_>, head: &mut Vec<u8>) -> Passage {
        self.settle();
        let is_known = self.is_idle() && self.partial == self.unread.len();
        if self.unread.is_empty() || is_known {
            return Passage::Waiting;
        }
        let mut unread = std::mem::take(&mut self.unread);
        let (taken, passage) = self.pass(&unread, room, head);
        unread.advance(taken);
        if !unread.is_empty() {
            self.unread = unread;
        }
        passage
    }

    /// Takes bytes that were read from the client: at least one byte, and no more than there was [room](Self::room) for.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        room: &mut ReadBuf<'_>,
        head: &mut Vec<u8>,
    ) -> Passage {
        if self.unread.is_empty() {
            let (taken, passage) = self.pass(bytes, room, head);
            self.unread.extend_from_slice(bytes.get(taken..).unwrap_or_default());
            return passage;
        }
        self.unread.extend_from_slice(bytes);
        // A head ends with a line. To look for its end after each byte would take too long.
        if self.is_idle() && !bytes.contains(&b'\n') && self.unread.len() < MAX_HEAD {
            self.partial = self.unread.len();
        }
        self.resume(room, head)
    }

    /// How many of these bytes are taken, and their outcome.
    fn pass(
        &mut self,
        bytes: &[u8],
        room: &mut ReadBuf<'_>,
        answer: &mut Vec<u8>,
    ) -> (usize, Passage) {
        if self.is_idle() {
            match read_head(bytes) {
                ReadHead::Partial => {
                    self.partial = bytes.len();
                    return (0, Passage::Waiting);
                }
                ReadHead::Invalid => self.give_up(),
                ReadHead::Complete(head) => {
                    let fast = head.simple.and_then(|request| self.answer(&request, answer));
                    if let Some(fast) = fast {
                        return (head.len, Passage::Answered(fast));
                    }
                    let is_small_upload = head.is_put
                        && matches!(head.body, RequestBody::Length(..=MAX_SMALL_UPLOAD_BYTES));
                    if self.thread.is_some_and(|thread| {
                        is_small_upload != (thread == ThreadKind::UploadWorker)
                    }) {
                        return (0, Passage::ForOtherThread);
                    }
                    self.has_seen_one = true;
                    self.turn.begin();
                    self.answer_head = AnswerHead::Awaited;
                    self.phase =
                        Phase::Lent { head: head.len, body: head.body, is_answered: false };
                }
            }
        }
        if matches!(self.phase, Phase::Closing) {
            self.discard(bytes.len());
            return (bytes.len(), Passage::Waiting);
        }
        let wanted = bytes.get(..bytes.len().min(room.remaining())).unwrap_or_default();
        let taken = self.lend(wanted);
        room.put_slice(wanted.get(..taken).unwrap_or_default());
        (taken, if taken > 0 { Passage::HandedOver } else { Passage::Waiting })
    }

    fn answer(&self, request: &SimpleRequest<'_>, head: &mut Vec<u8>) -> Option<FastAnswer> {
        self.responder.as_deref().filter(|_| self.has_seen_one)?.answer(request, head)
    }

    /// How many of these bytes belong to the request that the framework has.
    fn lend(&mut self, bytes: &[u8]) -> usize {
        let (head, body, is_answered) = match &mut self.phase {
            Phase::Lent { head, body, is_answered } => (head, body, *is_answered),
            Phase::Open => return bytes.len(),
            Phase::Idle | Phase::Closing => return 0,
        };
        let of_head = bytes.len().min(*head);
        *head -= of_head;
        let Ok(of_body) = body.advance(bytes.get(of_head..).unwrap_or_default()) else {
            self.give_up();
            return bytes.len();
        };
        if is_answered {
            self.discard(of_body);
        }
        of_head + of_body
    }

    /// Notes bytes that nothing is done with. After too many the client is not listened to any more.
    const fn discard(&mut self, bytes: usize) {
        self.discarded += bytes;
        if self.discarded > MAX_DISCARDED_BYTES {
            self.end();
        }
    }

    fn give_up(&mut self) {
        self.phase = Phase::Open;
        self.turn.set_last();
    }

    /// Notes the bytes that the framework writes. Behind an answer that says `Connection: close` it takes no other request, and its
    /// other side does not tell so.
    pub(super) fn written(&mut self, bytes: &[u8]) {
        if self.answer_head == AnswerHead::Awaited && matches!(self.phase, Phase::Lent { .. }) {
            self.answer_head = connection_after(bytes);
        }
    }

    /// Notes that everything that was written has left. Returns whether something can go on that waited for it.
    pub(super) fn flushed(&mut self) -> bool {
        let Phase::Lent { is_answered, .. } = &mut self.phase else { return false };
        *is_answered = self.turn.is_over();
        self.settle() && (self.is_ended || !self.unread.is_empty())
    }

    /// Goes on to the next request when the framework has all of one, and its answer has left. An answer may come first.
    fn settle(&mut self) -> bool {
        let Phase::Lent { head: 0, body, is_answered: true } = &self.phase else { return false };
        if !body.is_complete() {
            return false;
        }
        self.phase = match self.answer_head {
            AnswerHead::Closes => Phase::Closing,
            AnswerHead::Awaited | AnswerHead::StaysOpen => Phase::Idle,
        };
        self.partial = 0;
        true
    }
}

/// The connection after the answer whose head begins these bytes.
fn connection_after(bytes: &[u8]) -> AnswerHead {
    let bytes = bytes.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(bytes);
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let Some(status) = lines.next().filter(|line| !line.is_empty()) else {
        return AnswerHead::Awaited;
    };
    let connection = lines.take_while(|line| !line.is_empty()).find_map(|line| {
        let (name, value) = line.split_at_checked(CONNECTION.len())?;
        name.eq_ignore_ascii_case(CONNECTION).then(|| value.trim_ascii())
    });
    match connection {
        Some(value) if value.eq_ignore_ascii_case(b"close") => AnswerHead::Closes,
        None if status.starts_with(b"HTTP/1.0") => AnswerHead::Closes,
        _ => AnswerHead::StaysOpen,
    }
}

/// The header that says whether a connection stays open.
const CONNECTION: &[u8] = b"connection:";

#[cfg(test)]
mod tests;
