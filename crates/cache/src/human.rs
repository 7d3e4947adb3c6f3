//! Amounts and times as people and programs read them, the same everywhere.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use time::{UtcDateTime, format_description::well_known::Rfc3339};

/// The units of amounts, each 1024 times the one before.
const HUMAN_UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A number of bytes, such as `1.2 GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanBytes(pub u64);

impl fmt::Display for HumanBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = u128::from(self.0);
        if bytes < 1024 {
            return write!(f, "{bytes} B");
        }
        // Tenths, rounded to the nearest, of the largest unit of which there is one.
        let mut unit = 1024_u128;
        let mut names = HUMAN_UNITS.into_iter();
        let mut name = names.next().unwrap_or_default();
        let tenths = |unit| (bytes * 10 + unit / 2) / unit;
        while tenths(unit) >= 10_240 {
            let Some(next) = names.next() else { break };
            (unit, name) = (unit * 1024, next);
        }
        write!(f, "{}.{} {name}", tenths(unit) / 10, tenths(unit) % 10)
    }
}

/// A time in UTC, in whole seconds: `2026-11-27T19:30:00Z`.
#[must_use]
pub fn moment(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let whole = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH);
    // Only years after 9999 cannot be written.
    UtcDateTime::from(whole).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_to_tenths() {
        let shown = [0, 1023, 1024, 1536, (1 << 20) - 1, 3 << 29, 5 << 40, u64::MAX];
        let shown = shown.map(|bytes| HumanBytes(bytes).to_string());
        let expected =
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.5 GiB", "5.0 TiB", "16.0 EiB"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn times_have_whole_seconds() {
        let time = UNIX_EPOCH + Duration::from_millis(1_795_807_800_750);
        assert_eq!(moment(time), "2026-11-27T19:30:00Z");
        assert_eq!(moment(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00Z");
    }
}
