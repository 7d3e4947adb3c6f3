//! Layouts of trees too large to be written out.

use rns_formats::{LayoutBuilder, LayoutError, NarLayout, NarLimits, Segment, TreeError};

fn builder() -> LayoutBuilder {
    LayoutBuilder::new(NarLimits::default())
}

/// A root directory of files `f00000`, `f00001`, … of these sizes.
fn files(sizes: impl IntoIterator<Item = u64>) -> Result<NarLayout, LayoutError> {
    let mut builder = builder();
    builder.enter_directory()?;
    for (number, size) in sizes.into_iter().enumerate() {
        builder.entry(format!("f{number:05}").as_bytes())?;
        builder.regular(false, size)?;
    }
    builder.leave_directory()?;
    builder.finish()
}

#[test]
fn sizes_beyond_memory_are_only_numbers() {
    const TIB: u64 = 1 << 40;
    let layout = files([10 * TIB, 0, 3, 20 * TIB]).unwrap();
    let last = layout.file(3).unwrap();
    assert_eq!(last.size, 20 * TIB);
    assert_eq!(
        layout.segment_at(last.nar_offset + 7 * TIB),
        Some(Segment::File { index: 3, offset: 7 * TIB, len: 13 * TIB })
    );
    assert!(matches!(layout.segment_at(last.nar_offset + 20 * TIB), Some(Segment::Literal(_))));
    let length: u64 = layout.segments_from(0).map(|segment| segment.len()).sum();
    assert_eq!(length, layout.nar_size());
}

#[test]
fn an_archive_longer_than_a_word_can_say_is_refused() {
    assert_eq!(files([u64::MAX]).unwrap_err(), LayoutError::TooLarge);
    assert_eq!(files([u64::MAX / 2, u64::MAX / 2]).unwrap_err(), LayoutError::TooLarge);
    assert_eq!(files([1; 3].into_iter().chain([u64::MAX - 4])).unwrap_err(), LayoutError::TooLarge);
    let largest = files([u64::MAX - (4 << 30)]).unwrap();
    assert!(largest.nar_size() > u64::MAX - (4 << 30));
    assert!(largest.segment_at(largest.nar_size() - 1).is_some());
    assert_eq!(largest.segment_at(largest.nar_size()), None);
}

#[test]
fn nine_thousand_files_take_about_two_megabytes() {
    let layout = files((0..9_000).map(|number| number % 5_000)).unwrap();
    let bytes = layout.memory_bytes();
    assert!(bytes < 2_200_000, "{bytes}");
    assert!(bytes > layout.files() * 200, "{bytes} cannot be all of it");
}

/// A run of empty files is one literal, and costs no more to find than any other.
#[test]
fn empty_files_do_not_cut_literals() {
    let layout = files([5].into_iter().chain([0; 9_000]).chain([5])).unwrap();
    let segments: Vec<_> = layout.segments_from(0).collect();
    assert_eq!(segments.len(), 5);
    assert!(segments[2].len() > 9_000 * 150);
    let nothing = files([0; 100]).unwrap();
    assert_eq!(nothing.segments_from(0).count(), 1);
}

#[test]
fn a_refused_call_changes_nothing() {
    let mut builder = builder();
    builder.enter_directory().unwrap();
    assert!(matches!(builder.entry(b".."), Err(LayoutError::Tree(TreeError::Name { .. }))));
    assert!(matches!(
        builder.regular(false, 1),
        Err(LayoutError::Tree(TreeError::Misplaced { .. }))
    ));
    builder.entry(b"b").unwrap();
    assert!(matches!(builder.symlink(b""), Err(LayoutError::Tree(TreeError::TargetEmpty))));
    assert_eq!(builder.regular(false, u64::MAX), Err(LayoutError::TooLarge));
    assert!(matches!(
        builder.leave_directory(),
        Err(LayoutError::Tree(TreeError::Misplaced { .. }))
    ));
    builder.symlink(b"t").unwrap();
    assert!(matches!(builder.entry(b"a"), Err(LayoutError::Tree(TreeError::Unsorted { .. }))));
    assert!(matches!(builder.entry(b"b"), Err(LayoutError::Tree(TreeError::Duplicate { .. }))));
    builder.leave_directory().unwrap();
    let layout = builder.finish().unwrap();

    let mut same = self::builder();
    same.enter_directory().unwrap();
    same.entry(b"b").unwrap();
    same.symlink(b"t").unwrap();
    same.leave_directory().unwrap();
    assert_eq!(layout.segment_at(0), same.finish().unwrap().segment_at(0));
}

#[test]
fn a_tree_must_be_complete() {
    assert_eq!(builder().finish().unwrap_err(), LayoutError::Tree(TreeError::Incomplete));
    let mut open = builder();
    open.enter_directory().unwrap();
    assert_eq!(open.finish().unwrap_err(), LayoutError::Tree(TreeError::Incomplete));
}

#[test]
fn limits_are_those_given() {
    let mut builder = LayoutBuilder::new(NarLimits { depth: 1, name: 3, target: 2 });
    builder.enter_directory().unwrap();
    assert_eq!(
        builder.entry(b"four"),
        Err(LayoutError::Tree(TreeError::NameTooLong { len: 4, limit: 3 }))
    );
    builder.entry(b"abc").unwrap();
    assert_eq!(builder.symlink(b"t"), Err(LayoutError::Tree(TreeError::TooDeep { limit: 1 })));
}
