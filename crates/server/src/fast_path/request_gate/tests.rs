use super::*;

const NARINFO: &[u8] = b"GET /00000000000000000000000000000001.narinfo HTTP/1.1\r\nHost: x\r\n\r\n";
const OPTIONS: &[u8] = b"OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n";
const PUT: &[u8] = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKS: &[u8] =
    b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

/// Answers every simple request.
struct Always;

impl Responder for Always {
    fn answer(&self, _: &SimpleRequest<'_>, head: &mut Vec<u8>) -> Option<FastAnswer> {
        head.extend_from_slice(b"answer");
        Some(FastAnswer::default())
    }

    fn answer_stream(&self, _: &SimpleRequest<'_>) -> Option<http::Response<Bytes>> {
        None
    }
}

/// The bytes that a client sends and the framework gets.
struct Lab {
    gate: RequestGate,
    /// The bytes that the framework has got since the last look.
    got: Vec<u8>,
    /// How many requests were answered without the framework.
    answered: usize,
}

impl Lab {
    fn new() -> Self {
        let gate = RequestGate::new(Some(Rc::new(Always)));
        Self { gate, got: Vec::new(), answered: 0 }
    }

    /// One on which the framework has seen a request.
    fn warm() -> Self {
        let mut lab = Self::new();
        lab.send(OPTIONS);
        lab.answer();
        lab.got.clear();
        lab
    }

    fn send(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(1000) {
            self.step(|gate, room, head| gate.take(piece, room, head));
            self.resume();
        }
    }

    fn resume(&mut self) {
        while !matches!(self.step(RequestGate::resume), Passage::Waiting) {}
    }

    fn step(
        &mut self,
        step: impl FnOnce(&mut RequestGate, &mut ReadBuf<'_>, &mut Vec<u8>) -> Passage,
    ) -> Passage {
        let (mut room, mut head) = ([0; 1024], Vec::new());
        let mut room = ReadBuf::new(&mut room);
        let passage = step(&mut self.gate, &mut room, &mut head);
        assert_eq!(matches!(passage, Passage::HandedOver), !room.filled().is_empty());
        assert_eq!(matches!(passage, Passage::Answered(_)), head == b"answer");
        self.got.extend_from_slice(room.filled());
        self.answered += usize::from(matches!(passage, Passage::Answered(_)));
        passage
    }

    /// The framework answers the requests that it has.
    fn answer(&mut self) {
        self.gate.turn().end();
        if self.gate.flushed() {
            self.resume();
        }
    }

    fn got(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.got)
    }
}

#[test]
fn the_framework_gets_a_request_when_the_one_before_it_is_answered() {
    for piece in [1, 2, 7, 50, 1000] {
        let mut lab = Lab::new();
        let requests = [OPTIONS, PUT, CHUNKS, OPTIONS, PUT];
        for bytes in requests.concat().chunks(piece) {
            lab.send(bytes);
        }
        for request in requests {
            assert_eq!(lab.got(), request, "in pieces of {piece}");
            // Flushing a part of an answer ends nothing.
            assert!(!lab.gate.flushed());
            assert!(lab.got().is_empty());
            lab.answer();
        }
        assert!(lab.gate.is_idle() && lab.gate.unread.is_empty());
    }
}

#[test]
fn an_answer_that_comes_before_the_end_of_its_request_lets_no_other_through() {
    let mut lab = Lab::new();
    let (begin, end) = CHUNKS.split_at(CHUNKS.len() - 5);
    lab.send(begin);
    lab.answer();
    assert!(!lab.gate.is_idle());
    lab.send(&[end, OPTIONS].concat());
    assert_eq!(lab.got(), [CHUNKS, OPTIONS].concat());
    lab.send(OPTIONS);
    assert!(lab.got().is_empty());
}

#[test]
fn simple_requests_are_answered_in_their_turn() {
    let mut lab = Lab::warm();
    lab.send(&[NARINFO, NARINFO, OPTIONS, NARINFO, NARINFO].concat());
    assert_eq!((lab.answered, lab.got()), (2, OPTIONS.to_vec()));
    lab.answer();
    assert_eq!((lab.answered, lab.got()), (4, Vec::new()));
    lab.send(&NARINFO[..20]);
    lab.send(&NARINFO[20..]);
    assert_eq!((lab.answered, lab.got()), (5, Vec::new()));
}

#[test]
fn the_framework_sees_the_first_request() {
    let mut lab = Lab::new();
    lab.send(NARINFO);
    assert_eq!((lab.answered, lab.got()), (0, NARINFO.to_vec()));
    lab.answer();
    lab.send(NARINFO);
    assert_eq!((lab.answered, lab.got()), (1, Vec::new()));
}

#[test]
fn part_of_a_head_is_told_when_its_turn_has_come() {
    let mut lab = Lab::warm();
    assert_eq!(lab.gate.partial_head(), 0);
    lab.send(&[OPTIONS, &NARINFO[..20]].concat());
    assert_eq!(lab.gate.partial_head(), 0, "the framework has a request");
    lab.answer();
    assert_eq!(lab.gate.partial_head(), 20);
    lab.send(&NARINFO[20..]);
    assert_eq!(lab.gate.partial_head(), 0);
}

#[test]
fn nothing_is_let_through_behind_the_last_answer() {
    for (head, is_last) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nconnection: close\r\n", false),
        ("HTTP/1.1 200 OK\r\nConnection: Close\r\n\r\n", true),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 405 x\r\nconnection: close\r\n\r\n", true),
        ("HTTP/1.0 200 OK\r\n\r\n", true),
        ("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n\r\n", false),
    ] {
        let mut lab = Lab::warm();
        lab.send(&[PUT, OPTIONS, NARINFO].concat());
        lab.gate.written(b"HTTP/1.1 100 Continue\r\n\r\n");
        lab.gate.written(head.as_bytes());
        lab.gate.written(b"HTTP/1.1 200 OK\r\n\r\n");
        lab.answer();
        let expected = if is_last { PUT.to_vec() } else { [PUT, OPTIONS].concat() };
        assert_eq!((lab.answered, lab.got()), (0, expected), "{head}");
        lab.gate.end();
        assert_eq!(lab.gate.is_at_end(), is_last);
    }
}

#[test]
fn without_a_responder_the_framework_gets_everything() {
    let mut lab = Lab { gate: RequestGate::new(None), ..Lab::new() };
    for _ in 0..3 {
        lab.send(NARINFO);
        assert_eq!(lab.got(), NARINFO);
        lab.answer();
    }
}

#[test]
fn what_has_no_end_is_the_frameworks_for_good_and_answered_last() {
    let endless = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n";
    let broken = [&CHUNKS[..CHUNKS.len() - 5], b"x\r\n"].concat();
    for (unclear, is_noted) in
        [(&b"\0"[..], true), (b"GET /\r\n\r\n", true), (&broken, true), (endless, false)]
    {
        let mut lab = Lab::warm();
        lab.send(&[unclear, NARINFO].concat());
        assert_eq!(lab.got(), [unclear, NARINFO].concat());
        assert_eq!(lab.gate.turn().is_last(), is_noted);
        lab.answer();
        lab.send(NARINFO);
        assert_eq!((lab.answered, lab.got()), (0, NARINFO.to_vec()));
    }
}

#[test]
fn little_is_read_ahead_while_a_request_is_answered() {
    let mut lab = Lab::new();
    lab.send(OPTIONS);
    while lab.gate.room() > 0 {
        let room = lab.gate.room().min(1000);
        lab.send(&OPTIONS.repeat(40)[..room]);
    }
    assert_eq!(lab.gate.unread.len(), MAX_READ_AHEAD);
    assert_eq!(lab.got(), OPTIONS);
}

#[test]
fn the_end_is_told_behind_the_last_whole_request() {
    let mut lab = Lab::new();
    lab.send(&[OPTIONS, OPTIONS, &OPTIONS[..5]].concat());
    lab.gate.end();
    assert!(!lab.gate.is_at_end());
    lab.answer();
    assert!(!lab.gate.is_at_end());
    lab.answer();
    assert!(lab.gate.is_at_end());
    assert_eq!(lab.got(), [OPTIONS, OPTIONS].concat());
}

#[test]
fn small_uploads_and_other_requests_are_for_threads_of_their_own() {
    let on = |thread, unread: &[u8]| {
        let gate = Lab::warm().gate.behind(unread.into(), Some(thread));
        Lab { gate, ..Lab::new() }
    };
    let moves = |lab: &mut Lab| {
        let passage = lab.step(RequestGate::resume);
        matches!(passage, Passage::ForOtherThread)
    };
    let bytes = [PUT, NARINFO, OPTIONS].concat();
    let mut worker = on(ThreadKind::Worker, &bytes);
    assert!(moves(&mut worker));
    let unread = worker.gate.leave();
    assert_eq!(unread, bytes);
    assert!(worker.gate.is_at_end() && worker.got().is_empty());

    let mut upload_worker = on(ThreadKind::UploadWorker, &unread);
    upload_worker.resume();
    assert_eq!(upload_worker.got(), PUT);
    upload_worker.gate.turn().end();
    assert!(upload_worker.gate.flushed());
    assert!(matches!(upload_worker.step(RequestGate::resume), Passage::Answered(_)));
    assert!(moves(&mut upload_worker));
    assert_eq!(upload_worker.gate.leave(), OPTIONS);

    // A request that cannot move is answered on its thread.
    let mut stays = on(ThreadKind::Worker, PUT);
    assert!(moves(&mut stays));
    stays.gate.stay();
    stays.resume();
    assert_eq!(stays.got(), PUT);
    let large = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n";
    for other in [OPTIONS, CHUNKS, large] {
        assert!(!moves(&mut on(ThreadKind::Worker, other)));
        assert!(moves(&mut on(ThreadKind::UploadWorker, other)));
    }
}
