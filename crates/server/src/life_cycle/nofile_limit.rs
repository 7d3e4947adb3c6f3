//! How many files and sockets the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that the program itself needs: the database, the daemon, listeners, the event loops.
const OWN_DESCRIPTORS: u64 = 256;

/// Descriptors that a download may hold beside its connection.
const DESCRIPTORS_PER_DOWNLOAD: u64 = 4;

/// Raises the limit as far as it can be raised, and returns how many connections fit under it: at
/// most `connections`, fewer when downloads would otherwise find no descriptor left.
///
/// The soft limit is low, usually 1024, for programs that use `select`; this one does not.
pub(crate) fn make_room(connections: usize, downloads: usize) -> usize {
    let now = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: now.maximum, ..now };
    let limit = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => wanted.current,
        Err(err) => {
            tracing::debug!(%err, "cannot raise the number of open files");
            now.current
        }
    };
    let fitting = fitting(limit, downloads).min(connections);
    if fitting < connections {
        tracing::info!(
            "{fitting} connections at a time instead of {connections}: the process may have no more \
             than {} files open (LimitNOFILE= in the service, or `ulimit -Hn`)",
            limit.unwrap_or_default()
        );
    }
    fitting
}

fn fitting(limit: Option<u64>, downloads: usize) -> usize {
    let Some(limit) = limit else { return usize::MAX };
    let downloads = u64::try_from(downloads).unwrap_or(u64::MAX);
    let reserved =
        downloads.saturating_mul(DESCRIPTORS_PER_DOWNLOAD).saturating_add(OWN_DESCRIPTORS);
    // Where the limit is tight, both get half.
    let rest = limit.saturating_sub(reserved).max(limit / 2);
    usize::try_from(rest).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_downloads() {
        assert_eq!(fitting(Some(524_288), 1024), 524_288 - 4096 - 256);
        assert_eq!(fitting(Some(4096), 1024), 2048);
        assert_eq!(fitting(Some(0), 1024), 1);
        assert_eq!(fitting(None, 1024), usize::MAX);
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        assert_eq!(make_room(10, 1), 10);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
