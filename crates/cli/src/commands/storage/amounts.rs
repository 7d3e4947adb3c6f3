//! Ages and numbers of paths as people read them.

use std::time::{Duration, SystemTime};

use rns_cache::HumanBytes;

/// How long ago a time was, such as `3 days ago`.
pub(super) fn ago(time: SystemTime) -> String {
    let age = SystemTime::now().duration_since(time).unwrap_or(Duration::ZERO).as_secs();
    const AGE_UNITS: [(u64, &str); 4] =
        [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    for (length, name) in AGE_UNITS {
        let count = age / length;
        if count > 0 {
            let plural = if count == 1 { "" } else { "s" };
            return format!("{count} {name}{plural} ago");
        }
    }
    "just now".to_owned()
}

/// Paths and their bytes, such as `12 paths, 1.2 GiB`.
pub(super) fn paths(count: u64, bytes: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} path{plural}, {}", HumanBytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        let ago = |seconds| ago(SystemTime::now() - Duration::from_secs(seconds));
        assert_eq!(ago(0), "just now");
        assert_eq!(ago(90), "1 minute ago");
        assert_eq!(ago(3 * 86_400 + 5), "3 days ago");
    }
}
