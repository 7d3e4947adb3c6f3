//! A file tree in memory, and the ways it can become an archive.

use std::collections::BTreeMap;

use rns_formats::{
    LayoutBuilder, LayoutError, NarEvent, NarLayout, NarLimits, NarReadError, NarReader,
    NarWriteError, NarWriter, Segment,
};

/// A file tree with its contents.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Tree {
    Regular { executable: bool, contents: Vec<u8> },
    Symlink(Vec<u8>),
    Directory(BTreeMap<Vec<u8>, Self>),
}

impl Tree {
    /// The archive as [`NarWriter`] writes it.
    pub(crate) fn write(&self) -> Result<Vec<u8>, NarWriteError> {
        let mut writer = NarWriter::new(Vec::new(), NarLimits::default());
        self.write_to(&mut writer)?;
        writer.finish()
    }

    fn write_to(&self, writer: &mut NarWriter<Vec<u8>>) -> Result<(), NarWriteError> {
        match self {
            Self::Regular { executable, contents } => {
                writer.regular(*executable, contents.len() as u64)?;
                // In pieces, since callers will do so.
                contents.chunks(7).try_for_each(|piece| writer.contents(piece))
            }
            Self::Symlink(target) => writer.symlink(target),
            Self::Directory(entries) => {
                writer.enter_directory()?;
                for (name, tree) in entries {
                    writer.entry(name)?;
                    tree.write_to(writer)?;
                }
                writer.leave_directory()
            }
        }
    }

    /// The layout as a walk over the tree builds it.
    pub(crate) fn layout(&self) -> Result<NarLayout, LayoutError> {
        let mut builder = LayoutBuilder::new(NarLimits::default());
        self.describe_to(&mut builder)?;
        builder.finish()
    }

    fn describe_to(&self, builder: &mut LayoutBuilder) -> Result<(), LayoutError> {
        match self {
            Self::Regular { executable, contents } => {
                builder.regular(*executable, contents.len() as u64)
            }
            Self::Symlink(target) => builder.symlink(target),
            Self::Directory(entries) => {
                builder.enter_directory()?;
                for (name, tree) in entries {
                    builder.entry(name)?;
                    tree.describe_to(builder)?;
                }
                builder.leave_directory()
            }
        }
    }

    /// The tree of an archive.
    pub(crate) fn read(nar: &[u8]) -> Result<Self, NarReadError> {
        let mut reader = NarReader::new(nar, NarLimits::default());
        let mut open: Vec<BTreeMap<Vec<u8>, Self>> = Vec::new();
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut root = None;
        while let Some(event) = reader.next_event()? {
            let tree = match event {
                NarEvent::EnterDirectory => {
                    open.push(BTreeMap::new());
                    continue;
                }
                NarEvent::Entry(name) => {
                    names.push(name.to_vec());
                    continue;
                }
                NarEvent::LeaveDirectory => Self::Directory(open.pop().unwrap()),
                NarEvent::Symlink(target) => Self::Symlink(target.to_vec()),
                NarEvent::Regular { executable, size } => {
                    let mut contents = Vec::new();
                    let mut piece = [0; 5];
                    while let count @ 1.. = reader.read_contents(&mut piece)? {
                        contents.extend_from_slice(&piece[..count]);
                    }
                    assert_eq!(contents.len() as u64, size);
                    Self::Regular { executable, contents }
                }
            };
            match open.last_mut() {
                Some(directory) => {
                    directory.insert(names.pop().unwrap(), tree);
                }
                None => root = Some(tree),
            }
        }
        Ok(root.unwrap())
    }

    /// Contents of the regular files, in the order of the archive.
    pub(crate) fn contents(&self) -> Vec<&[u8]> {
        match self {
            Self::Regular { contents, .. } => vec![contents],
            Self::Symlink(_) => vec![],
            Self::Directory(entries) => entries.values().flat_map(Self::contents).collect(),
        }
    }

    /// The bytes that `segment` stands for.
    pub(crate) fn bytes<'a>(&'a self, segment: Segment<'a>) -> &'a [u8] {
        match segment {
            Segment::Literal(bytes) => bytes,
            Segment::File { index, offset, len } => &self.contents()[index]
                [usize::try_from(offset).unwrap()..][..usize::try_from(len).unwrap()],
        }
    }
}
