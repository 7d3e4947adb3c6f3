//! Files that a writer was killed over: they are beside their place, and never visible.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

/// Folders inside folders of a binary cache: `build-trace-v2/<derivation>/`.
const MAX_FOLDER_DEPTH: usize = 4;

/// Removes unfinished files that nothing was written to for `grace`, and says how many. Blocks.
pub(super) fn sweep(directory: &Path, grace: Duration) -> io::Result<u64> {
    let Some(newest) = SystemTime::now().checked_sub(grace) else { return Ok(0) };
    below(directory, newest, MAX_FOLDER_DEPTH)
}

fn below(directory: &Path, newest: SystemTime, depth: usize) -> io::Result<u64> {
    let mut removed = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let kind = entry.file_type()?;
        // A name with a dot in front is the index's, or not of this program.
        if kind.is_dir() && depth > 0 && !name.starts_with('.') {
            removed += below(&entry.path(), newest, depth - 1)?;
        }
        if !kind.is_file() || !is_unfinished(name) {
            continue;
        }
        // A writer may finish at this moment.
        let Ok(found) = entry.metadata() else { continue };
        if found.modified()? <= newest && fs::remove_file(entry.path()).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

/// The library writes `name#number` and renames it.
fn is_unfinished(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(name, number)| {
        !name.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_unfinished_files_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let nars = directory.path().join("nar");
        fs::create_dir(&nars).unwrap();
        let hidden = directory.path().join(".rust-nix-serve");
        fs::create_dir(&hidden).unwrap();
        let kept = [nars.join("a.nar"), nars.join("a.nar#x"), nars.join("#1"), hidden.join("b#1")];
        let left = [nars.join("a.nar.zst#1"), directory.path().join("b.narinfo#12")];
        for file in kept.iter().chain(&left) {
            fs::write(file, "x").unwrap();
        }
        assert_eq!(sweep(directory.path(), Duration::from_secs(3600)).unwrap(), 0);
        assert_eq!(sweep(directory.path(), Duration::ZERO).unwrap(), 2);
        assert!(kept.iter().all(|file| file.exists()));
        assert!(!left.iter().any(|file| file.exists()));
    }
}
