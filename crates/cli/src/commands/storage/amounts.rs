//! Sizes and ages as people read them.

use std::time::{Duration, SystemTime};

/// A number of bytes, such as `1.2 GiB`.
pub(super) fn size(bytes: u64) -> String {
    const SIZE_UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of the unit, rounded to the nearest.
    let mut unit = 1024_u64;
    let mut name = "KiB";
    for next in SIZE_UNITS.iter().skip(1) {
        if bytes / unit < 1024 {
            break;
        }
        unit = unit.saturating_mul(1024);
        name = next;
    }
    let tenths = (u128::from(bytes) * 10 + u128::from(unit) / 2) / u128::from(unit);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

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
    format!("{count} path{plural}, {}", size(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_to_tenths() {
        let shown = [0, 1023, 1024, 1536, (1 << 20) - 1, 1 << 30, 5 << 40].map(size);
        let expected = ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1024.0 KiB", "1.0 GiB", "5.0 TiB"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn ages_have_one_unit() {
        let ago = |seconds| ago(SystemTime::now() - Duration::from_secs(seconds));
        assert_eq!(ago(0), "just now");
        assert_eq!(ago(90), "1 minute ago");
        assert_eq!(ago(3 * 86_400 + 5), "3 days ago");
    }
}
