//! A trial: whether objects can be written and removed.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rns_formats::{Compression, NarName, Sha256Digest};
use tokio::task::spawn_blocking;

use super::{ObjectError, ObjectKey, Objects};

impl Objects {
    /// Writes an object under a name that no client can ask for, and removes it, with the folders that it needed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn try_writing(&self) -> Result<(), ObjectError> {
        let name = NarName::of_file(Sha256Digest::of(b"trial"), Compression::None);
        let number = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        // As the file of a client that never comes back, which is removed some day where this is killed.
        let key = ObjectKey::incoming(&name, number);
        let written = self.write_small(&key, Bytes::from_static(b"trial")).await;
        let deleted = self.delete(&key).await;
        self.remove_empty_folders(&key).await;
        written.and(deleted)
    }

    /// Removes the folders of an object that nothing is in any more. A bucket has none.
    async fn remove_empty_folders(&self, key: &ObjectKey) {
        let (Some(directory), Some(file)) =
            (self.directory().map(ToOwned::to_owned), self.file(key))
        else {
            return;
        };
        let remove = move || {
            let folders = file.ancestors().skip(1).take_while(|folder| **folder != *directory);
            // One that holds anything is left, with those above it.
            folders.map(std::fs::remove_dir).take_while(Result::is_ok).count()
        };
        _ = spawn_blocking(remove).await;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::objects::StorageUrl;

    #[tokio::test]
    async fn a_trial_leaves_nothing_behind_and_takes_nothing_away() {
        let directory = tempfile::tempdir().unwrap();
        let url = StorageUrl::Directory(directory.path().to_owned());
        let objects = Objects::open(&url, false).unwrap();
        objects.try_writing().await.unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        let other = directory.path().join("incoming/other");
        fs::create_dir_all(&other).unwrap();
        fs::write(other.join("1"), "x").unwrap();
        objects.try_writing().await.unwrap();
        assert_eq!(fs::read_dir(directory.path().join("incoming")).unwrap().count(), 1);
    }
}
