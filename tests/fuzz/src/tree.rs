//! Descriptions of trees, in any order: layout and writer agree on the allowed ones and on every
//! byte, and the reader accepts it.

use rns_formats::{LayoutBuilder, LayoutError, NarLimits, NarWriteError, NarWriter, read_layout};

pub(crate) fn run(data: &[u8]) {
    // Small limits, so that they are met.
    let limits = NarLimits { depth: 4, name: 8, target: 8 };
    let mut builder = LayoutBuilder::new(limits);
    let mut writer = NarWriter::new(Vec::new(), limits);
    let mut contents: Vec<u8> = Vec::new();
    let mut rest = data;
    while let Some((&step, behind)) = rest.split_first() {
        // The upper bits say how many bytes belong to the step.
        let (argument, behind) = behind.split_at(behind.len().min(usize::from(step >> 4)));
        rest = behind;
        let (described, written) = match step % 5 {
            0 => (builder.enter_directory(), writer.enter_directory()),
            1 => (builder.leave_directory(), writer.leave_directory()),
            2 => (builder.entry(argument), writer.entry(argument)),
            3 => (builder.symlink(argument), writer.symlink(argument)),
            _ => {
                let (executable, size) = (step & 8 != 0, argument.len() as u64);
                let described = builder.regular(executable, size);
                let written = writer.regular(executable, size);
                if written.is_ok() {
                    writer.contents(argument).expect("as long as announced");
                    contents.extend_from_slice(argument);
                }
                (described, written)
            }
        };
        match (described, written) {
            (Ok(()), Ok(())) => {}
            (Err(LayoutError::Tree(described)), Err(NarWriteError::Tree(written))) => {
                assert_eq!(described, written);
            }
            (described, written) => panic!("{described:?} but {written:?}"),
        }
    }
    let (layout, nar) = (builder.finish(), writer.finish());
    let (Ok(layout), Ok(nar)) = (&layout, &nar) else {
        assert!(layout.is_err() && nar.is_err());
        return;
    };
    assert_eq!(layout.nar_size(), nar.len() as u64);
    assert_eq!(layout.nodes().iter().count(), layout.nodes().len());
    for index in 0..layout.files() {
        let path = layout.file_path(index).expect("a file of the layout");
        assert!(layout.nodes().find(path).is_some());
    }
    let read = read_layout(&**nar, limits).expect("what is written is valid");
    assert!(read.segments_from(0).eq(layout.segments_from(0)));
    assert_eq!(read.memory_bytes(), layout.memory_bytes());
    let files: u64 = (0..layout.files()).filter_map(|index| layout.file(index)).map(|file| file.size).sum();
    assert_eq!(files, contents.len() as u64);
}
