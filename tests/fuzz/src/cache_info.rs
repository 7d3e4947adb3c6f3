//! `nix-cache-info`: the reader reads all that the writer writes.

use rns_formats::CacheInfo;

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(info) = CacheInfo::parse(text) else { return };
    let written = info.to_string();
    let read = CacheInfo::parse(&written).expect("what is written is valid");
    assert_eq!(read, info);
    assert_eq!(read.to_string(), written);
}
