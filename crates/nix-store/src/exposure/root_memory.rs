//! Roots that were read before. They are read again when a directory has changed in which one of their links was looked for:
//! links are never written to, only put in the place of others, and that changes their directory.

use std::{path::PathBuf, sync::Arc};

use super::{
    directories::Directories,
    roots::{RootPaths, Stores},
};
use crate::file_io::file_time::FileTime;

/// The last reading of each root of a policy.
#[derive(Default)]
pub(super) struct RootMemory(Vec<RememberedRoot>);

struct RememberedRoot {
    root: Arc<RootPaths>,
    directories: Directories,
    /// When reading began.
    since: FileTime,
}

impl RootMemory {
    /// The paths that the roots name now. Blocks.
    pub(super) fn read(&mut self, stores: &Stores, roots: &[PathBuf]) -> Vec<Arc<RootPaths>> {
        let mut before = std::mem::take(&mut self.0).into_iter();
        self.0 = roots
            .iter()
            .map(|root| match before.next() {
                Some(known) if known.root.root == *root && known.is_current() => known,
                _ => {
                    let since = FileTime::now();
                    let mut directories = Directories::default();
                    let root = Arc::new(stores.read(root, &mut directories));
                    RememberedRoot { root, directories, since }
                }
            })
            .collect();
        self.0.iter().map(|known| Arc::clone(&known.root)).collect()
    }
}

impl RememberedRoot {
    /// Whether reading it again would find the same.
    fn is_current(&self) -> bool {
        self.directories.are_as_before(self.since)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::Path, thread, time::Duration};

    use rns_formats::StoreDir;

    use super::*;

    const A: &str = "/nix/store/00000000000000000000000000000000-a";
    const B: &str = "/nix/store/11111111111111111111111111111111-b";

    fn replace(link: &Path, target: impl AsRef<Path>) {
        let new = link.with_extension("new");
        symlink(target, &new).unwrap();
        fs::rename(new, link).unwrap();
    }

    #[test]
    fn roots_are_read_again_only_when_a_link_has_changed() {
        let scratch = tempfile::tempdir().unwrap();
        let (roots, profiles) = (scratch.path().join("roots"), scratch.path().join("profiles"));
        fs::create_dir(&roots).unwrap();
        fs::create_dir(&profiles).unwrap();
        replace(&roots.join("direct"), A);
        replace(&roots.join("indirect"), profiles.join("current"));
        replace(&profiles.join("current"), "generation-1");
        replace(&profiles.join("generation-1"), A);
        let stores = Stores::new(&StoreDir::default(), Path::new("/nix/store"));
        let mut memory = RootMemory::default();
        let wanted = [roots.clone()];
        let mut read = || memory.read(&stores, &wanted).remove(0);
        let names = |root: &RootPaths| {
            root.paths.iter().map(|path| path.name().to_owned()).collect::<Vec<_>>()
        };
        // A root that was changed in this second may be changed once more.
        thread::sleep(Duration::from_millis(1100));
        let first = read();
        assert_eq!(names(&first), ["a"]);
        assert!(Arc::ptr_eq(&first, &read()), "nothing has changed");
        // At the end of the chain.
        replace(&profiles.join("generation-1"), B);
        assert_eq!(names(&read()), ["a", "b"]);
        replace(&roots.join("direct"), B);
        assert_eq!(names(&read()), ["b"]);
        fs::remove_file(roots.join("direct")).unwrap();
        fs::remove_dir_all(&profiles).unwrap();
        assert!(read().paths.is_empty());
        fs::create_dir(&profiles).unwrap();
        replace(&profiles.join("current"), A);
        assert_eq!(names(&read()), ["a"]);
    }
}
