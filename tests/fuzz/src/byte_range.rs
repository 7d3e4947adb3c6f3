//! `Range` headers: what is sent lies within the body, and says so.

use rns_formats::ByteRange;

pub fn run(data: &[u8]) {
    let Some((len, header)) = data.split_first_chunk() else { return };
    let len = u64::from_le_bytes(*len);
    let Ok(header) = str::from_utf8(header) else { return };
    let range = ByteRange::parse(header, len);
    match range {
        ByteRange::Whole => assert_eq!(range.content_range(len), None),
        ByteRange::Unsatisfiable => {
            assert_eq!(range.content_range(len), Some(format!("bytes */{len}")));
        }
        ByteRange::Part { start, end_exclusive } => {
            assert!(start < end_exclusive && end_exclusive <= len);
            let last = end_exclusive - 1;
            assert_eq!(ByteRange::parse(&format!("bytes={start}-{last}"), len), range);
            assert_eq!(range.content_range(len), Some(format!("bytes {start}-{last}/{len}")));
        }
    }
}
