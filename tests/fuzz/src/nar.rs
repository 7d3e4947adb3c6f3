//! Archives: the reader accepts only archives of the writer, and their layout finds every byte.

use std::io::{self, Read};

use rns_formats::{NarEvent, NarLimits, NarReadError, NarReader, NarWriter, Segment, read_layout};

pub(crate) fn run(data: &[u8]) {
    let limits = NarLimits::default();
    let copied = copy(data, limits);
    let layout = read_layout(Dribble(data), limits);
    let (Ok(copied), Ok(layout)) = (&copied, &layout) else {
        assert!(copied.is_err() && layout.is_err(), "{:?} but {:?}", copied.err(), layout.err());
        return;
    };
    assert_eq!(copied, data, "the archive is not canonical");
    assert_eq!(layout.nar_size(), data.len() as u64);
    let mut offset = 0;
    for segment in layout.segments_from(0) {
        let end = offset + usize::try_from(segment.len()).expect("it is in memory");
        match segment {
            Segment::Literal(bytes) => assert_eq!(bytes, &data[offset..end]),
            Segment::File { index, .. } => {
                let file = layout.file(index).expect("a file of the layout");
                assert_eq!((file.nar_offset, file.size), (offset as u64, (end - offset) as u64));
            }
        }
        let middle = (offset + end) / 2;
        let rest = layout.segment_at(middle as u64).map(|rest| rest.len());
        assert_eq!(rest, Some((end - middle) as u64));
        offset = end;
    }
    assert_eq!(offset, data.len());
}

/// Writes again the archive that was read.
fn copy(data: &[u8], limits: NarLimits) -> Result<Vec<u8>, NarReadError> {
    let mut reader = NarReader::new(data, limits);
    let mut writer = NarWriter::new(Vec::new(), limits);
    while let Some(event) = reader.next_event()? {
        match event {
            NarEvent::EnterDirectory => writer.enter_directory(),
            NarEvent::LeaveDirectory => writer.leave_directory(),
            NarEvent::Entry(name) => writer.entry(name),
            NarEvent::Symlink(target) => writer.symlink(target),
            NarEvent::Regular { executable, size } => {
                writer.regular(executable, size).expect("the reader accepted it");
                let mut piece = [0; 100];
                while let count @ 1.. = reader.read_contents(&mut piece)? {
                    writer.contents(&piece[..count]).expect("the reader counted");
                }
                Ok(())
            }
        }
        .expect("the reader accepted it");
    }
    Ok(writer.finish().expect("the reader saw the end"))
}

/// Hands out few bytes at a time.
struct Dribble<'a>(&'a [u8]);

impl Read for Dribble<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = buf.len().min(7);
        self.0.read(&mut buf[..most])
    }
}
