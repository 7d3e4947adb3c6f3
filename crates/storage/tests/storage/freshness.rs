//! Narinfos of a directory that another writer changes.

use std::{fs, time::Duration};

use rns_cache::{BinaryCache as _, Freshness, Peek};
use rns_testing::Standard;
use tokio::time::sleep;

use crate::support::{Fixture, Place};

/// Longer than a narinfo is believed without a look at its file.
const LONG: Duration = Duration::from_millis(1_000);

/// Longer than a file must have been left alone before it is known again by its inode and times.
const SETTLED: Duration = Duration::from_millis(3_200);

/// A change of a narinfo's file.
type Change = fn(&std::path::Path, &str);

#[tokio::test]
async fn what_another_writer_changes_is_never_taken_for_what_was_read_before() {
    let fixture = Fixture::new(Place::Directory).await.unwrap();
    let standard = Standard::new();
    let path = &standard.dep;
    fixture.push(standard.store.info(path), &standard.store.nar(path)).await;
    let file = fixture.directory.join(format!("{}.narinfo", path.hash_part()));
    let text = fs::read_to_string(&file).unwrap() + "Changed: 0\n";
    fs::write(&file, &text).unwrap();
    let changes: [Change; 3] = [
        // As this program and `nix copy` do.
        |file, text| {
            let new = file.with_extension("new");
            fs::write(&new, text.replace("Changed: 0", "Changed: 1")).unwrap();
            fs::rename(new, file).unwrap();
        },
        // In place, as long as before.
        |file, text| fs::write(file, text.replace("Changed: 0", "Changed: 2")).unwrap(),
        |file, text| fs::write(file, text.replace("Changed: 0", "Changed: more")).unwrap(),
    ];
    let cache = &fixture.storage;
    let hash = path.hash_part();
    let mut seen: Vec<Freshness> = Vec::new();
    for change in changes {
        sleep(SETTLED).await;
        let before = cache.path_info(hash).await.unwrap().unwrap().freshness;
        assert!(!seen.contains(&before));
        seen.push(before);
        sleep(LONG).await;
        // Known by its file, where the file system can tell that without waiting.
        assert!(!matches!(cache.peek(&hash), Peek::Hit { freshness, .. } if freshness != before));
        change(&file, &text);
        // A hit may be a second old.
        sleep(LONG).await;
        let is_old = |peek| matches!(peek, Peek::Hit { freshness, .. } if freshness == before);
        assert!(!is_old(cache.peek(&hash)), "the file is another one");
        let after = cache.path_info(hash).await.unwrap().unwrap();
        assert_ne!(after.freshness, before);
    }
    sleep(LONG).await;
    fs::remove_file(&file).unwrap();
    assert!(!matches!(cache.peek(&hash), Peek::Hit { .. }));
    assert!(cache.path_info(hash).await.unwrap().is_none());
    // Once it was looked for, that it is not there is known at once, and that it is there again.
    let absent = cache.peek(&hash);
    assert!(matches!(absent, Peek::Miss | Peek::Unknown), "{absent:?}");
    fs::write(&file, &text).unwrap();
    assert!(!matches!(cache.peek(&hash), Peek::Miss));
    assert!(cache.path_info(hash).await.unwrap().is_some());
}
