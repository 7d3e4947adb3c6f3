//! From the description of a tree to its layout.

use super::layout::{FileRecord, NarLayout};
use super::limits::{NarLimits, TreeError};
use super::nodes::{KindRecord, NodeRecord};
use super::order::TreeOrder;
use super::wire;

/// Longest frame around a node apart from its name or target: head of an entry, of a node, and the
/// ends of both.
const FRAME_MAX: usize = 256;

/// Builds a [`NarLayout`] from a walk over a tree that knows names, sizes and targets, but reads no
/// contents.
///
/// Call [`entry`](Self::entry) before every node but the root, names strictly increasing (bytewise)
/// within a directory. A call that returns an error leaves the builder as it was.
#[derive(Debug)]
pub struct LayoutBuilder {
    order: TreeOrder,
    literals: Vec<u8>,
    /// Bytes of file contents so far.
    contents: u64,
    files: Vec<FileRecord>,
    nodes: Vec<NodeRecord>,
    /// Nodes of the directories entered and not yet left.
    open: Vec<u32>,
    /// Where in `literals` the name of the next node begins; 0 for the root.
    name: u32,
}

impl LayoutBuilder {
    /// Starts an empty description.
    #[must_use]
    pub fn new(limits: NarLimits) -> Self {
        let mut literals = Vec::new();
        wire::push_string(&mut literals, wire::MAGIC);
        Self {
            order: TreeOrder::new(limits),
            literals,
            contents: 0,
            files: Vec::new(),
            nodes: Vec::new(),
            open: Vec::new(),
            name: 0,
        }
    }

    /// Begins a directory.
    ///
    /// # Errors
    ///
    /// When no node may come here, when it lies too deep, or when the archive's frame outgrows 4
    /// GiB.
    pub fn enter_directory(&mut self) -> Result<(), LayoutError> {
        self.reserve(0)?;
        self.order.enter_directory()?;
        let index = self.push_node(KindRecord::Directory, 0);
        self.open.push(index);
        wire::push_directory_head(&mut self.literals);
        Ok(())
    }

    /// Ends the directory entered last.
    ///
    /// # Errors
    ///
    /// When no directory is open, or when an entry has no node yet.
    pub fn leave_directory(&mut self) -> Result<(), LayoutError> {
        self.reserve(0)?;
        self.order.leave_directory()?;
        let end = narrow(self.nodes.len());
        if let Some(node) = self.open.pop().and_then(|index| self.nodes.get_mut(index as usize)) {
            node.link = end;
        }
        wire::push_close(&mut self.literals);
        self.end_entry();
        Ok(())
    }

    /// Names the node that comes next.
    ///
    /// # Errors
    ///
    /// When the name is not allowed, is not greater than the one before, or when no entry may come
    /// here.
    pub fn entry(&mut self, name: &[u8]) -> Result<(), LayoutError> {
        self.reserve(name.len())?;
        self.order.entry(name)?;
        self.name = narrow(wire::push_entry_head(&mut self.literals, name));
        Ok(())
    }

    /// Adds a regular file of `size` bytes.
    ///
    /// # Errors
    ///
    /// When no node may come here, or when the archive would be longer than a `u64` can say.
    pub fn regular(&mut self, executable: bool, size: u64) -> Result<(), LayoutError> {
        self.reserve(0)?;
        // Literals stay below 4 GiB: with that room kept, no offset in the archive can overflow.
        let contents = self.contents.checked_add(size).ok_or(LayoutError::TooLarge)?;
        contents.checked_add(u64::from(u32::MAX)).ok_or(LayoutError::TooLarge)?;
        self.order.regular()?;

        let node = self.push_node(KindRecord::Regular, narrow(self.files.len()));
        wire::push_regular_head(&mut self.literals, executable, size);
        let literal = narrow(self.literals.len());
        let nar_offset = u64::from(literal) + self.contents;
        self.files.push(FileRecord { nar_offset, size, literal, run_end: 0, node, executable });
        self.contents = contents;
        wire::push_regular_tail(&mut self.literals, size);
        self.end_entry();
        Ok(())
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    ///
    /// When no node may come here, or when the target is empty, too long or holds NUL.
    pub fn symlink(&mut self, target: &[u8]) -> Result<(), LayoutError> {
        self.reserve(target.len())?;
        self.order.symlink(target)?;
        let index = self.push_node(KindRecord::Symlink, 0);
        let start = narrow(wire::push_symlink(&mut self.literals, target));
        if let Some(node) = self.nodes.get_mut(index as usize) {
            node.link = start;
        }
        self.end_entry();
        Ok(())
    }

    /// Ends the description.
    ///
    /// # Errors
    ///
    /// When there is no root, or when a directory is still open.
    pub fn finish(self) -> Result<NarLayout, LayoutError> {
        self.order.finish()?;
        Ok(NarLayout::new(self.literals, self.files, self.nodes))
    }

    /// Makes sure that one more frame with a string of `len` bytes keeps every offset into the
    /// literals below 4 GiB.
    fn reserve(&self, len: usize) -> Result<(), LayoutError> {
        wire::encoded_len(len)
            .and_then(|string| self.literals.len().checked_add(string)?.checked_add(FRAME_MAX))
            .filter(|&total| u32::try_from(total).is_ok())
            .map(|_| ())
            .ok_or(LayoutError::TooLarge)
    }

    fn push_node(&mut self, kind: KindRecord, link: u32) -> u32 {
        let index = narrow(self.nodes.len());
        let parent = self.open.last().copied().unwrap_or(index);
        self.nodes.push(NodeRecord { name: self.name, parent, link, kind });
        index
    }

    fn end_entry(&mut self) {
        if self.order.in_directory() {
            wire::push_close(&mut self.literals);
        }
    }
}

/// Narrows an offset into the literals, or a count of nodes or files: each of those takes more than
/// one literal byte, and [`LayoutBuilder::reserve`] keeps the literals below 4 GiB.
const fn narrow(offset: usize) -> u32 {
    offset as u32
}

/// Why a tree has no layout.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The tree cannot be archived, or was described in the wrong order.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The archive is longer than 2⁶⁴ bytes, or the part of it that is not file contents longer
    /// than 4 GiB.
    #[error("the tree is too large for an archive")]
    TooLarge,
}
