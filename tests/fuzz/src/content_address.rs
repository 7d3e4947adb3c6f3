//! Content addresses: read back as written, and those that name a path recognise it.

use rns_formats::{ContentAddress, StoreDir, StorePathName};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(address) = ContentAddress::parse(text) else { return };
    let written = address.to_string();
    assert_eq!(ContentAddress::parse(&written).as_ref(), Ok(&address));

    let name = StorePathName::parse("name").expect("a valid name");
    let store_dir = StoreDir::default();
    let path = address.store_path(&store_dir, &name, &[], false).expect("no references");
    assert!(address.is_address_of(&store_dir, &path, &[]));
}
