//! Nix archives (NAR): the canonical serialisation of a file tree.
//!
//! A NAR holds regular files (with one bit, "executable"), symbolic links and directories, and
//! nothing else: no owners, no times, no modes. There is exactly one NAR for a tree, so its hash
//! identifies the tree. Everything here keeps to that: [`NarWriter`] and [`LayoutBuilder`] can only
//! produce the canonical form, [`NarReader`] accepts nothing else.
//!
//! ```text
//! nar   := "nix-archive-1" node
//! node  := "(" "type" ( "regular" ["executable" ""] "contents" bytes
//!                     | "symlink" "target" bytes
//!                     | "directory" entry* ) ")"
//! entry := "entry" "(" "name" bytes "node" node ")"
//! ```
//!
//! Every token is a string: its length as a little-endian `u64`, its bytes, and zero bytes up to
//! the next multiple of 8.

mod build;
mod layout;
mod limits;
mod nodes;
mod order;
mod read;
mod read_error;
mod tokens;
mod wire;
mod write;

pub use build::{LayoutBuilder, LayoutError};
pub use layout::{FileSlice, NarLayout, Position, Segment, SegmentCursor};
pub use limits::{NarLimits, TreeError};
pub use nodes::{Node, NodeKind, Nodes};
pub use read::{NarEvent, NarReader, read_layout};
pub use read_error::NarReadError;
pub use write::{NarWriteError, NarWriter};
