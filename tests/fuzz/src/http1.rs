//! Requests: this program and the framework see the same beginning and end of each, and the same in a simple one.

use actix_codec::Decoder as _;
use actix_http::{
    ConnectionType, Request, ServiceConfig,
    h1::{Codec, Message, MessageType},
};
use bytes::BytesMut;
use rns_formats::http1::{ReadHead, RequestBody, SimpleRequest, read_head};
use tokio::task::LocalSet;

thread_local! {
    /// To make one, the framework starts a task that tells the time; nothing here asks for that.
    static CONFIG: ServiceConfig = {
        let tasks = LocalSet::new();
        let _guard = tasks.enter();
        ServiceConfig::default()
    };
}

/// The framework's reading of bytes.
enum Decoded {
    Partial,
    Invalid,
    /// A request, the bytes of its head, and the kind of its body.
    Request(Box<Request>, usize, MessageType),
}

pub(crate) fn run(bytes: &[u8]) {
    let (mut codec, mut rest) = (Codec::new(CONFIG.with(Clone::clone)), BytesMut::from(bytes));
    let decoded = match codec.decode(&mut rest) {
        Ok(None) => Decoded::Partial,
        Ok(Some(Message::Item(request))) => {
            Decoded::Request(Box::new(request), bytes.len() - rest.len(), codec.message_type())
        }
        Ok(Some(Message::Chunk(_))) => panic!("a chunk before any head"),
        Err(_) => Decoded::Invalid,
    };
    match (read_head(bytes), decoded) {
        (ReadHead::Partial, Decoded::Partial) | (ReadHead::Invalid, Decoded::Invalid) => {}
        // The framework answers 400 and closes the connection.
        (ReadHead::Complete(head), Decoded::Invalid) => {
            assert!(head.simple.is_none(), "the framework refuses {:?}", head.simple);
        }
        (ReadHead::Complete(head), Decoded::Request(request, len, kind)) => {
            assert_eq!(head.len, len, "another head");
            if let Some(simple) = &head.simple {
                check_simple(simple, &request, &kind);
            }
            check_body(head.body, &kind, &mut codec, rest);
        }
        (head, decoded) => {
            let decoded = match decoded {
                Decoded::Partial => "part of a head".to_owned(),
                Decoded::Invalid => "no request".to_owned(),
                Decoded::Request(request, ..) => format!("{request:?}"),
            };
            panic!("{head:?} and for the framework {decoded}");
        }
    }
}

fn check_simple(simple: &SimpleRequest<'_>, request: &Request, kind: &MessageType) {
    assert!(matches!(kind, MessageType::None));
    let method = if simple.is_head { "HEAD" } else { "GET" };
    assert_eq!((request.method().as_str(), request.path()), (method, simple.path));
    assert_eq!(format!("{:?}", request.version()), "HTTP/1.1");
    let head = request.head();
    assert!(head.uri.query().is_none() && head.uri.host().is_none());
    assert_eq!(head.connection_type(), ConnectionType::KeepAlive);
    assert!(!head.expect() && !head.upgrade());
    let values = |name| -> Vec<&[u8]> {
        head.headers().get_all(name).map(|value| value.as_bytes()).collect()
    };
    assert_eq!(values("host"), [simple.host.as_bytes()]);
    assert_eq!(values("authorization"), Vec::from_iter(simple.authorization));
    assert_eq!(values("x-forwarded-for"), Vec::from_iter(simple.forwarded_for));
    for name in ["range", "if-none-match", "if-range", "x-accel-redirect", "cookie"] {
        assert!(values(name).is_empty(), "{name}");
    }
}

/// Both find the same end of the body in the bytes behind the head.
fn check_body(mut body: RequestBody, kind: &MessageType, codec: &mut Codec, mut rest: BytesMut) {
    assert_eq!(body == RequestBody::NONE, matches!(kind, MessageType::None));
    assert_eq!(body == RequestBody::Endless, matches!(kind, MessageType::Stream));
    if !matches!(kind, MessageType::Payload) {
        return;
    }
    let behind = rest.clone();
    let is_complete = loop {
        match codec.decode(&mut rest) {
            Ok(Some(Message::Chunk(Some(_)))) => {}
            Ok(Some(Message::Chunk(None))) => break Ok(true),
            Ok(Some(Message::Item(_))) => panic!("a request inside of a body"),
            Ok(None) => break Ok(false),
            Err(_) => break Err(()),
        }
    };
    let taken = body.advance(&behind);
    match is_complete {
        Err(()) => assert!(taken.is_err(), "the framework finds no end, {taken:?}"),
        Ok(is_complete) => {
            assert_eq!(taken, Ok(behind.len() - rest.len()));
            assert_eq!(body.is_complete(), is_complete);
        }
    }
}
