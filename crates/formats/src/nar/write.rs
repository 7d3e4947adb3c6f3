//! Writing an archive node by node.

use std::io::{self, Write};

use super::limits::{NarLimits, TreeError};
use super::order::TreeOrder;
use super::wire;

/// Writes one archive to `W`.
///
/// Call [`entry`](Self::entry) before every node but the root, names strictly increasing (bytewise)
/// within a directory. Many small writes are made: give it something buffered.
#[derive(Debug)]
pub struct NarWriter<W> {
    out: W,
    order: TreeOrder,
    /// Reused for the frames.
    frame: Vec<u8>,
    /// Size of the file begun last, and how many bytes of it are still to come.
    contents: Option<(u64, u64)>,
    begun: bool,
}

impl<W: Write> NarWriter<W> {
    /// Starts an archive. Nothing is written before the root is known.
    #[must_use]
    pub fn new(out: W, limits: NarLimits) -> Self {
        Self { out, order: TreeOrder::new(limits), frame: Vec::new(), contents: None, begun: false }
    }

    /// Begins a directory.
    ///
    /// # Errors
    ///
    /// When no node may come here, when it lies too deep, or when writing fails.
    pub fn enter_directory(&mut self) -> Result<(), NarWriteError> {
        self.check_contents()?;
        self.order.enter_directory()?;
        wire::push_directory_head(&mut self.frame);
        self.flush_frame()
    }

    /// Ends the directory entered last.
    ///
    /// # Errors
    ///
    /// When no directory is open, when an entry has no node yet, or when writing fails.
    pub fn leave_directory(&mut self) -> Result<(), NarWriteError> {
        self.check_contents()?;
        self.order.leave_directory()?;
        wire::push_close(&mut self.frame);
        self.end_node()
    }

    /// Names the node that comes next.
    ///
    /// # Errors
    ///
    /// When the name is not allowed, is not greater than the one before, when no entry may come
    /// here, or when writing fails.
    pub fn entry(&mut self, name: &[u8]) -> Result<(), NarWriteError> {
        self.check_contents()?;
        self.order.entry(name)?;
        wire::push_entry_head(&mut self.frame, name);
        self.flush_frame()
    }

    /// Writes a symbolic link.
    ///
    /// # Errors
    ///
    /// When no node may come here, when the target is empty, too long or holds NUL, or when writing
    /// fails.
    pub fn symlink(&mut self, target: &[u8]) -> Result<(), NarWriteError> {
        self.check_contents()?;
        self.order.symlink(target)?;
        wire::push_symlink(&mut self.frame, target);
        self.end_node()
    }

    /// Begins a regular file of `size` bytes, which then come through [`contents`](Self::contents).
    ///
    /// # Errors
    ///
    /// When no node may come here, or when writing fails.
    pub fn regular(&mut self, executable: bool, size: u64) -> Result<(), NarWriteError> {
        self.check_contents()?;
        self.order.regular()?;
        wire::push_regular_head(&mut self.frame, executable, size);
        self.contents = Some((size, size));
        self.flush_frame()?;
        self.contents(&[])
    }

    /// Writes the next bytes of the regular file begun last.
    ///
    /// # Errors
    ///
    /// When these are more bytes than were announced, or when writing fails.
    pub fn contents(&mut self, bytes: &[u8]) -> Result<(), NarWriteError> {
        let (size, missing) = match self.contents {
            Some(contents) => contents,
            None if bytes.is_empty() => return Ok(()),
            None => return Err(NarWriteError::ContentsTooLong),
        };
        let missing =
            missing.checked_sub(bytes.len() as u64).ok_or(NarWriteError::ContentsTooLong)?;
        self.out.write_all(bytes)?;
        if missing > 0 {
            self.contents = Some((size, missing));
            return Ok(());
        }
        self.contents = None;
        wire::push_regular_tail(&mut self.frame, size);
        self.end_node()
    }

    /// Ends the archive and gives the writer back.
    ///
    /// # Errors
    ///
    /// When the tree is not complete.
    pub fn finish(self) -> Result<W, NarWriteError> {
        self.check_contents()?;
        self.order.finish()?;
        Ok(self.out)
    }

    fn check_contents(&self) -> Result<(), NarWriteError> {
        match self.contents {
            Some((_, missing)) => Err(NarWriteError::ContentsTooShort { missing }),
            None => Ok(()),
        }
    }

    fn end_node(&mut self) -> Result<(), NarWriteError> {
        if self.order.in_directory() {
            wire::push_close(&mut self.frame);
        }
        self.flush_frame()
    }

    fn flush_frame(&mut self) -> Result<(), NarWriteError> {
        if !self.begun {
            self.begun = true;
            let mut magic = Vec::new();
            wire::push_string(&mut magic, wire::MAGIC);
            self.out.write_all(&magic)?;
        }
        self.out.write_all(&self.frame)?;
        self.frame.clear();
        Ok(())
    }
}

/// Why an archive could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NarWriteError {
    /// The tree cannot be archived, or came in the wrong order.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// More contents came than the file was announced to have.
    #[error("a file has more contents than announced")]
    ContentsTooLong,
    /// The next node came before all contents of the file.
    #[error("{missing} bytes of a file's contents are missing")]
    ContentsTooShort {
        /// How many bytes are missing.
        missing: u64,
    },
    /// Writing failed.
    #[error("writing the archive")]
    Io(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_must_be_as_long_as_announced() {
        let mut writer = NarWriter::new(Vec::new(), NarLimits::default());
        writer.regular(false, 3).unwrap();
        writer.contents(b"ab").unwrap();
        assert!(matches!(writer.contents(b"cd"), Err(NarWriteError::ContentsTooLong)));
        assert!(matches!(writer.finish(), Err(NarWriteError::ContentsTooShort { missing: 1 })));

        let mut writer = NarWriter::new(Vec::new(), NarLimits::default());
        writer.enter_directory().unwrap();
        writer.entry(b"a").unwrap();
        writer.regular(true, 1).unwrap();
        assert!(matches!(writer.entry(b"b"), Err(NarWriteError::ContentsTooShort { missing: 1 })));
        writer.contents(b"x").unwrap();
        assert!(matches!(writer.contents(b"y"), Err(NarWriteError::ContentsTooLong)));
        writer.leave_directory().unwrap();
        writer.finish().unwrap();
    }

    #[test]
    fn an_unfinished_tree_is_no_archive() {
        let writer = NarWriter::new(Vec::new(), NarLimits::default());
        assert!(matches!(writer.finish(), Err(NarWriteError::Tree(TreeError::Incomplete))));
        let mut writer = NarWriter::new(Vec::new(), NarLimits::default());
        writer.enter_directory().unwrap();
        assert!(matches!(writer.finish(), Err(NarWriteError::Tree(TreeError::Incomplete))));
    }

    #[test]
    fn a_failed_write_is_reported() {
        let mut short = [0u8; 50];
        let mut writer = NarWriter::new(&mut short[..], NarLimits::default());
        assert!(matches!(writer.regular(false, 0), Err(NarWriteError::Io(_))));
    }
}
