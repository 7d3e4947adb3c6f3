//! `Range` headers: exactly the asked bytes are sent, as far as they are there, for lengths at every edge.

use rns_formats::{ByteRange, RangeRequest};

pub(crate) fn run(data: &[u8]) {
    let Some((len, header)) = data.split_first_chunk() else { return };
    let len = u64::from_le_bytes(*len);
    let Ok(header) = str::from_utf8(header) else { return };
    let Some(request) = RangeRequest::parse(header) else {
        assert_eq!(ByteRange::parse(header, len), ByteRange::Whole);
        return;
    };
    let (RangeRequest::From(edge)
    | RangeRequest::Last(edge)
    | RangeRequest::Between { last: edge, .. }) = request;
    for len in [len, 0, 1, edge.saturating_sub(1), edge, edge.saturating_add(1), u64::MAX] {
        let range = ByteRange::parse(header, len);
        assert_eq!(request.resolve(len), range);
        match range {
            ByteRange::Whole => panic!("a range was asked for"),
            ByteRange::Unsatisfiable => {
                assert!(!asked(request, len, len.saturating_sub(1)) || len == 0);
                assert_eq!(range.content_range(len), Some(format!("bytes */{len}")));
            }
            ByteRange::Part { start, end_exclusive } => {
                let last = end_exclusive - 1;
                assert!(start <= last && last < len);
                assert!(asked(request, len, start) && asked(request, len, last));
                assert!(start == 0 || !asked(request, len, start - 1));
                assert!(end_exclusive == len || !asked(request, len, end_exclusive));
                assert_eq!(range.content_range(len), Some(format!("bytes {start}-{last}/{len}")));
                assert_eq!(ByteRange::parse(&format!("bytes={start}-{last}"), len), range);
            }
        }
    }
}

/// Whether this byte of a body of `len` bytes was asked for.
fn asked(request: RangeRequest, len: u64, byte: u64) -> bool {
    match request {
        RangeRequest::From(first) => byte >= first,
        RangeRequest::Between { first, last } => first <= byte && byte <= last,
        RangeRequest::Last(count) => len - byte <= count,
    }
}
