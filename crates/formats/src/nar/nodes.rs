//! The tree of an archive, as its layout remembers it.

/// A view of every node of an archive in preorder: a directory comes before its entries, and those
/// follow by name. The root is number 0.
#[derive(Clone, Copy, Debug)]
pub struct Nodes<'a> {
    literals: &'a [u8],
    records: &'a [NodeRecord],
}

/// One node of an archive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Node<'a> {
    /// Its number in preorder.
    pub index: usize,
    /// Its name in the directory around it; empty for the root.
    pub name: &'a [u8],
    /// Its kind.
    pub kind: NodeKind<'a>,
}

/// The kind of a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NodeKind<'a> {
    /// A directory. Everything below it has the numbers after its own, up to and without `end`.
    Directory {
        /// Number of the first node that is not below the directory.
        end: usize,
    },
    /// A regular file.
    Regular {
        /// Its number among the files, for [`NarLayout::file`](super::NarLayout::file).
        file: usize,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: &'a [u8],
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct NodeRecord {
    /// Where in the literals the name begins; 0 for the root.
    pub(super) name: u32,
    /// Number of the directory around it; its own number for the root.
    pub(super) parent: u32,
    /// Directory: number of the first node behind it. Regular file: number of the file. Link: where
    /// in the literals the target begins.
    pub(super) link: u32,
    pub(super) kind: KindRecord,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum KindRecord {
    Directory,
    Regular,
    Symlink,
}

impl<'a> Nodes<'a> {
    pub(super) const fn new(literals: &'a [u8], records: &'a [NodeRecord]) -> Self {
        Self { literals, records }
    }

    /// Number of nodes, the root included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always a root")]
    pub const fn len(&self) -> usize {
        self.records.len()
    }

    /// The node with number `index`; `None` when there are fewer.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Node<'a>> {
        let record = self.records.get(index)?;
        let link = record.link as usize;
        Some(Node {
            index,
            name: self.name(record),
            kind: match record.kind {
                KindRecord::Directory => NodeKind::Directory { end: link },
                KindRecord::Regular => NodeKind::Regular { file: link },
                KindRecord::Symlink => NodeKind::Symlink { target: string_at(self.literals, link) },
            },
        })
    }

    /// Every node, the root first.
    pub fn iter(&self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let nodes = *self;
        (0..nodes.len()).map_while(move |index| nodes.get(index))
    }

    /// The entries of `directory`, by name; none when it is no directory.
    pub fn children(&self, directory: &Node<'_>) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let nodes = *self;
        let mut next = directory.index + 1;
        let end = match directory.kind {
            NodeKind::Directory { end } => end,
            NodeKind::Regular { .. } | NodeKind::Symlink { .. } => 0,
        };
        std::iter::from_fn(move || {
            let child = (next < end).then(|| nodes.get(next)).flatten()?;
            next = child.end();
            Some(child)
        })
    }

    /// The node that `path` leads to from the root, without following symbolic links.
    pub fn find<'p>(&self, path: impl IntoIterator<Item = &'p [u8]>) -> Option<Node<'a>> {
        path.into_iter().try_fold(self.get(0)?, |node, name| {
            self.children(&node).find(|child| child.name == name)
        })
    }

    /// The names on the way from the root to node number `index`.
    #[must_use]
    pub fn path(&self, index: usize) -> Vec<&'a [u8]> {
        let mut names = Vec::new();
        let mut index = index;
        while let Some(record) = self.records.get(index).filter(|record| record.name != 0) {
            names.push(self.name(record));
            index = record.parent as usize;
        }
        names.reverse();
        names
    }

    fn name(&self, record: &NodeRecord) -> &'a [u8] {
        if record.name == 0 { b"" } else { string_at(self.literals, record.name as usize) }
    }
}

impl Node<'_> {
    /// Number of the first node that is neither this one nor below it.
    #[must_use]
    pub const fn end(&self) -> usize {
        match self.kind {
            NodeKind::Directory { end } => end,
            NodeKind::Regular { .. } | NodeKind::Symlink { .. } => self.index + 1,
        }
    }
}

/// The string whose bytes begin at `start` of the literals: its length stands in the word before.
fn string_at(literals: &[u8], start: usize) -> &[u8] {
    let word = start.checked_sub(8).and_then(|word| literals.get(word..start));
    let len = word.and_then(|word| word.try_into().ok()).map_or(0, u64::from_le_bytes);
    let end = usize::try_from(len).ok().and_then(|len| start.checked_add(len));
    end.and_then(|end| literals.get(start..end)).unwrap_or_default()
}
