//! Which errors of the file system are damage of a path.

use rns_cache::CacheError;
use rns_formats::StorePath;

/// An error of the file system that is the path's own fault (its files are gone or unreadable) as damage;
/// others, such as too many open files, stay as they are.
pub(crate) fn of_path(path: &StorePath, error: CacheError) -> CacheError {
    use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    match &error {
        CacheError::Io { source, .. }
            if matches!(source.kind(), NotFound | NotADirectory | PermissionDenied)
                || source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
                || source.raw_os_error().is_none() =>
        {
            let advice = match source.kind() {
                PermissionDenied => {
                    " (the service's user may not read it: then mend the permission, not the path)"
                }
                _ => "",
            };
            CacheError::Damaged { path: path.clone(), why: format!("{error}{advice}") }
        }
        _ => error,
    }
}
