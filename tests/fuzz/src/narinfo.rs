//! Narinfos: the reader reads all that the writer writes, and it is written the same way again.

use rns_formats::{NarInfo, StoreDir};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let store_dir = StoreDir::default();
    let Ok(narinfo) = NarInfo::parse(text, &store_dir) else { return };
    let written = narinfo.write(&store_dir);
    let read = NarInfo::parse(&written, &store_dir).expect("what is written is valid");
    assert_eq!(read, narinfo);
    assert_eq!(read.write(&store_dir), written);
    assert_eq!(read.fingerprint(&store_dir), narinfo.fingerprint(&store_dir));
    assert!(narinfo.to_json(&store_dir).is_object());
}
