//! Listings: a tree that one describes has an archive, and the listing of that is read back.

use rns_formats::{LayoutBuilder, LayoutError, ListingNode, NarLimits, NarListing};

pub(crate) fn run(data: &[u8]) {
    let Ok(listing) = NarListing::parse(data) else { return };
    let mut builder = LayoutBuilder::new(NarLimits::default());
    match describe(&listing.root, &mut builder) {
        Ok(()) => {}
        // Any number can stand in a listing.
        Err(LayoutError::TooLarge) => return,
        Err(error) => panic!("{error}"),
    }
    let layout = builder.finish().expect("the tree is complete");
    let json = NarListing::to_json(&layout).expect("everything is UTF-8");
    let read = NarListing::parse(&json).expect("what is written is valid");
    assert_eq!(without_offsets(read.root), without_offsets(listing.root));
}

fn describe(node: &ListingNode, builder: &mut LayoutBuilder) -> Result<(), LayoutError> {
    match node {
        ListingNode::Regular { size, executable, .. } => builder.regular(*executable, *size),
        ListingNode::Symlink { target } => builder.symlink(target.as_bytes()),
        ListingNode::Directory(entries) => {
            builder.enter_directory()?;
            for (name, node) in entries {
                builder.entry(name.as_bytes())?;
                describe(node, builder)?;
            }
            builder.leave_directory()
        }
    }
}

fn without_offsets(node: ListingNode) -> ListingNode {
    match node {
        ListingNode::Regular { size, executable, .. } => {
            ListingNode::Regular { size, executable, nar_offset: None }
        }
        ListingNode::Symlink { .. } => node,
        ListingNode::Directory(entries) => ListingNode::Directory(
            entries.into_iter().map(|(name, node)| (name, without_offsets(node))).collect(),
        ),
    }
}
