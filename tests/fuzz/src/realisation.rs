//! Realisations of both generations: the reader reads all that the writer writes, and they sign the same text.

use rns_formats::{BuildTraceEntry, DrvOutputId, Realisation, StorePath, StorePathName};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(id) = DrvOutputId::parse(text) {
        assert_eq!(DrvOutputId::parse(&id.to_string()), Ok(id));
    }
    if let Ok(realisation) = Realisation::parse(text) {
        let written = realisation.to_json();
        let read = Realisation::parse(&written).expect("what is written is valid");
        assert_eq!(read, realisation);
        assert_eq!(read.to_json(), written);
        assert_eq!(read.fingerprint(), realisation.fingerprint());
    }
    let drv = StorePath::parse("4hgnzv75gip1q649b6g1xql7g25p304s-x.drv").expect("a valid path");
    let output = StorePathName::parse("out").expect("a valid name");
    if let Ok(entry) = BuildTraceEntry::parse(drv.clone(), output.clone(), text) {
        let written = entry.to_json();
        let read = BuildTraceEntry::parse(drv, output, &written).expect("what is written is valid");
        assert_eq!(read, entry);
        assert_eq!(read.fingerprint(), entry.fingerprint());
    }
}
