//! The storage: reachable, and writable.

use rns_doctor::{Finding, FindingId, Outcome};
use rns_storage::objects::{ObjectError, ObjectKey, Objects, StorageUrl};

use super::unit::{UNIT, UnitSettings};
use crate::config::Loaded;

pub(super) async fn check(loaded: &Loaded) -> Outcome {
    let Some(storage) = &loaded.backends.storage else { return Outcome::NotApplicable };
    let objects = match Objects::open(&storage.url, storage.sync) {
        Ok(objects) => objects,
        Err(error) => return unreachable(&storage.url, &error),
    };
    match objects.head(&ObjectKey::cache_info()).await {
        Ok(_) => {}
        Err(error) => return unreachable(&storage.url, &error),
    }
    match objects.try_writing().await {
        Ok(()) => in_the_unit(&storage.url).await,
        Err(error) => {
            let mend = match &storage.url {
                StorageUrl::Directory(path) => {
                    format!("chown -R rust-nix-serve {}   # and ReadWritePaths= in the unit", path.display())
                }
                StorageUrl::Bucket { .. } => {
                    "the policy of the bucket: s3:GetObject, s3:PutObject, s3:DeleteObject, s3:ListBucket".to_owned()
                }
            };
            let what = format!("{} cannot be written: {error}", storage.url);
            Outcome::wrong(Finding::new(FindingId::StorageReadOnly, what, mend))
        }
    }
}

/// The outcome for a directory that this user can write: systemd can still make it read-only for the service.
async fn in_the_unit(url: &StorageUrl) -> Outcome {
    if let StorageUrl::Directory(path) = url
        && let Some(settings) = UnitSettings::ask_for_paths().await
        && settings.keeps_read_only(path)
    {
        let path = path.display();
        return Outcome::wrong(Finding::new(
            FindingId::StorageReadOnly,
            format!(
                "{UNIT} cannot write {path}: ProtectSystem=strict, and no ReadWritePaths= has it"
            ),
            format!("systemctl edit {UNIT}: [Service] ReadWritePaths={path}"),
        ));
    }
    Outcome::Sound(format!("{url} can be read and written"))
}

/// The words of the storage where it finds no credentials.
const NO_CREDENTIALS: &str = "there are no credentials for the bucket";

fn unreachable(url: &StorageUrl, error: &ObjectError) -> Outcome {
    let text = error.to_string();
    // Those of the service are usually in its own environment.
    if text.contains(NO_CREDENTIALS) {
        return Outcome::Unchecked(format!(
            "{text}; the service may have them: systemctl show -p Environment rust-nix-serve"
        ));
    }
    let mend = match url {
        StorageUrl::Directory(path) => format!("mkdir -p {}   # or mount it", path.display()),
        StorageUrl::Bucket { .. } => {
            "rust-nix-serve storage verify   # after the endpoint answers and its credentials are right".to_owned()
        }
    };
    let what = format!("{url} cannot be read: {error}");
    Outcome::wrong(Finding::new(FindingId::StorageUnreachable, what, mend))
}
