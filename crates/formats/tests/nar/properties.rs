//! Properties of the archive of every tree.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use rns_formats::nar::{Node, NodeKind};
use rns_formats::{ListingNode, NarLayout, NarLimits, NarListing, Segment, read_layout};

use crate::tree::Tree;

/// Names as they occur, and the odd bytes that are allowed too.
fn names() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-cA-C0-9_.é-]{1,9}".prop_map(String::into_bytes),
        1 => vec(1_u8.., 1..40),
        1 => vec(Just(b'n'), 250..=255),
    ]
    .prop_filter("not a name", |name| NarLimits::default().check_name(name).is_ok())
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        2 => (any::<bool>(), vec(any::<u8>(), 0..40))
            .prop_map(|(executable, contents)| Tree::Regular { executable, contents }),
        1 => any::<bool>().prop_map(|executable| Tree::Regular { executable, contents: vec![] }),
        1 => vec(1_u8.., 1..20).prop_map(Tree::Symlink),
    ];
    leaf.prop_recursive(5, 40, 7, |inner| btree_map(names(), inner, 0..7).prop_map(Tree::Directory))
}

fn whole(tree: &Tree, layout: &NarLayout) -> Vec<u8> {
    layout.segments_from(0).flat_map(|segment| tree.bytes(segment).to_vec()).collect()
}

proptest! {
    #[test]
    fn layout_writer_and_reader_agree(tree in trees()) {
        let nar = tree.write().unwrap();
        let layout = tree.layout().unwrap();
        prop_assert_eq!(layout.nar_size(), nar.len() as u64);
        prop_assert_eq!(&whole(&tree, &layout), &nar);
        prop_assert_eq!(Tree::read(&nar).unwrap(), tree);
    }

    #[test]
    fn an_altered_archive_is_refused_or_that_of_another_tree(
        tree in trees(), at in any::<prop::sample::Index>(), flip in 1_u8..,
    ) {
        let mut nar = tree.write().unwrap();
        let at = at.index(nar.len());
        nar[at] ^= flip;
        if let Ok(other) = Tree::read(&nar) {
            prop_assert_ne!(&other, &tree);
            prop_assert_eq!(other.write().unwrap(), nar);
        }
    }

    #[test]
    fn any_offset_is_found(tree in trees(), offset in any::<prop::sample::Index>()) {
        let nar = tree.write().unwrap();
        let layout = tree.layout().unwrap();
        let offset = offset.index(nar.len() + 1);
        let mut rest: &[u8] = &nar[offset..];
        prop_assert_eq!(layout.segment_at(offset as u64), layout.segments_from(offset as u64).next());
        prop_assert_eq!(layout.segment_at(offset as u64).is_none(), rest.is_empty());
        for segment in layout.segments_from(offset as u64) {
            let bytes = tree.bytes(segment);
            prop_assert!(!bytes.is_empty());
            prop_assert_eq!(segment.len(), bytes.len() as u64);
            prop_assert!(rest.starts_with(bytes));
            rest = &rest[bytes.len()..];
        }
        prop_assert!(rest.is_empty());
        prop_assert_eq!(layout.segment_at(nar.len() as u64), None);
        prop_assert_eq!(layout.segment_at(u64::MAX), None);
    }

    #[test]
    fn any_range_can_be_read_in_pieces(
        tree in trees(), start in any::<prop::sample::Index>(), pieces in vec(1_u64..50, 1..20),
    ) {
        let nar = tree.write().unwrap();
        let layout = tree.layout().unwrap();
        let start = start.index(nar.len());
        let mut position = layout.position(start as u64);
        prop_assert_eq!(layout.next_segment(&mut position, 0), None);
        for max in pieces {
            let at = usize::try_from(position.offset()).unwrap();
            let Some(segment) = layout.next_segment(&mut position, max) else {
                prop_assert_eq!(at, nar.len());
                break;
            };
            let bytes = tree.bytes(segment);
            prop_assert!((1..=max).contains(&segment.len()));
            prop_assert_eq!(bytes, &nar[at..at + bytes.len()]);
            prop_assert_eq!(position, layout.position((at + bytes.len()) as u64));
        }
    }

    /// Only file contents cut the literal bytes apart: an empty file does not.
    #[test]
    fn literals_are_as_long_as_they_can_be(tree in trees()) {
        let layout = tree.layout().unwrap();
        let segments: Vec<_> = layout.segments_from(0).collect();
        for pair in segments.windows(2) {
            let both = pair.iter().all(|segment| matches!(segment, Segment::Literal(_)));
            prop_assert!(!both, "{:?}", pair);
        }
        let files = tree.contents().iter().filter(|contents| !contents.is_empty()).count();
        prop_assert_eq!(segments.len(), 2 * files + 1);
    }

    #[test]
    fn files_are_where_the_layout_says(tree in trees()) {
        let nar = tree.write().unwrap();
        let layout = tree.layout().unwrap();
        let contents = tree.contents();
        prop_assert_eq!(layout.files(), contents.len());
        prop_assert_eq!(layout.file(contents.len()), None);
        prop_assert_eq!(layout.file_path(contents.len()), None);
        for (index, contents) in contents.into_iter().enumerate() {
            let file = layout.file(index).unwrap();
            let start = usize::try_from(file.nar_offset).unwrap();
            prop_assert_eq!(&nar[start..start + usize::try_from(file.size).unwrap()], contents);
            let path = layout.file_path(index).unwrap();
            prop_assert_eq!(at(&tree, &path), Some(&Tree::Regular { executable: file.executable, contents: contents.to_vec() }));
            let node = layout.nodes().find(path.iter().copied()).unwrap();
            prop_assert_eq!(node.kind, NodeKind::Regular { file: index });
        }
    }

    #[test]
    fn nodes_are_the_tree(tree in trees()) {
        let layout = tree.layout().unwrap();
        let nodes = layout.nodes();
        prop_assert_eq!(rebuilt(&tree, &layout, nodes.get(0).unwrap()), tree.clone());
        prop_assert_eq!(nodes.iter().count(), nodes.len());
        prop_assert_eq!(nodes.get(nodes.len()), None);
        for node in nodes.iter() {
            let path = nodes.path(node.index);
            prop_assert_eq!(nodes.find(path.iter().copied()), Some(node));
            prop_assert_eq!(nodes.find(path.into_iter().chain([&b"\0"[..]])), None);
        }
    }

    #[test]
    fn listings_say_where_contents_are(tree in trees()) {
        let nar = tree.write().unwrap();
        let layout = tree.layout().unwrap();
        match NarListing::to_json(&layout) {
            Ok(json) => {
                let listing = NarListing::parse(&json).unwrap();
                prop_assert_eq!(from_listing(&listing.root, &nar), tree);
            }
            Err(error) => {
                let path: Vec<&[u8]> = error.path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()).collect();
                let target = match at(&tree, &path) {
                    Some(Tree::Symlink(target)) => &target[..],
                    _ => b"",
                };
                prop_assert!(str::from_utf8(&error.path).is_err() || str::from_utf8(target).is_err());
            }
        }
    }

    #[test]
    fn an_archive_has_the_layout_of_its_tree(tree in trees()) {
        let layout = read_layout(&tree.write().unwrap()[..], NarLimits::default()).unwrap();
        prop_assert_eq!(whole(&tree, &layout), whole(&tree, &tree.layout().unwrap()));
        prop_assert_eq!(rebuilt(&tree, &layout, layout.nodes().get(0).unwrap()), tree);
    }

    #[test]
    fn no_bytes_make_the_reader_fall_over(bytes in vec(any::<u8>(), 0..200)) {
        let mut nar = b"\x0d\0\0\0\0\0\0\0nix-archive-1\0\0\0".to_vec();
        nar.extend_from_slice(&bytes);
        prop_assert!(Tree::read(&bytes).is_err());
        prop_assert!(Tree::read(&nar).is_err());
    }
}

fn at<'t>(tree: &'t Tree, path: &[&[u8]]) -> Option<&'t Tree> {
    path.iter().try_fold(tree, |tree, name| match tree {
        Tree::Directory(entries) => entries.get(*name),
        Tree::Regular { .. } | Tree::Symlink(_) => None,
    })
}

fn rebuilt(tree: &Tree, layout: &NarLayout, node: Node<'_>) -> Tree {
    match node.kind {
        NodeKind::Symlink { target } => Tree::Symlink(target.to_vec()),
        NodeKind::Regular { file } => Tree::Regular {
            executable: layout.file(file).unwrap().executable,
            contents: tree.contents()[file].to_vec(),
        },
        NodeKind::Directory { .. } => Tree::Directory(
            layout
                .nodes()
                .children(&node)
                .map(|child| (child.name.to_vec(), rebuilt(tree, layout, child)))
                .collect(),
        ),
    }
}

fn from_listing(node: &ListingNode, nar: &[u8]) -> Tree {
    match node {
        ListingNode::Symlink { target } => Tree::Symlink(target.clone().into_bytes()),
        ListingNode::Directory(entries) => Tree::Directory(
            entries
                .iter()
                .map(|(name, node)| (name.clone().into_bytes(), from_listing(node, nar)))
                .collect::<BTreeMap<_, _>>(),
        ),
        ListingNode::Regular { size, executable, nar_offset } => {
            let start = usize::try_from(nar_offset.unwrap()).unwrap();
            let contents = nar[start..start + usize::try_from(*size).unwrap()].to_vec();
            Tree::Regular { executable: *executable, contents }
        }
    }
}
