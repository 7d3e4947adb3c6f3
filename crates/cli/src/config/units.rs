//! Sizes, durations and parts of disks as people write them: `64MiB`, `10G`, `30s`, `1h30m`, `20%`.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use rns_cache::KeepFree;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of bytes.
///
/// `K`, `M`, `G`, `T` and `KiB` … `TiB` are powers of 1024, as in systemd and nginx; `kB` … `TB` powers of 1000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(pub(crate) u64);

impl ByteSize {
    /// This many bytes of memory.
    pub(crate) fn of(bytes: usize) -> Self {
        Self(u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    /// The number of bytes as a length in memory.
    pub(crate) fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

const BYTE_UNITS: [(&str, u64); 14] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("T", 1 << 40),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
    ("", 1),
];

/// Why a text is no size or duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitError {
    #[error("`{0}` is not a size such as 64MiB or 10G")]
    NotASize(String),
    #[error("`{0}` is a larger size than this program can count")]
    TooLarge(String),
    #[error("`{0}` is not a duration such as 30s, 5m or 1h30m")]
    NotADuration(String),
    #[error("`{0}` is not a part of a disk such as 20% or 50G")]
    NotAShare(String),
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (digits, unit) = split_number(text.trim());
        let factor = BYTE_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let (Ok(number), Some(factor)) = (digits.parse::<u64>(), factor) else {
            return Err(UnitError::NotASize(text.to_owned()));
        };
        number.checked_mul(factor).map(Self).ok_or_else(|| UnitError::TooLarge(text.to_owned()))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = BYTE_UNITS
            .iter()
            .take(4)
            .find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor))
            .unwrap_or(&("", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

/// A length of time, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) Duration);

const TIME_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Span {
    /// That many seconds.
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError::NotADuration(text.to_owned());
        let mut rest = text.trim();
        let mut total = 0u64;
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let (digits, after) = split_number(rest);
            let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, next) = after.split_at_checked(end).ok_or_else(wrong)?;
            let factor = TIME_UNITS
                .iter()
                .find(|(name, _)| *name == unit.trim())
                .map(|(_, factor)| *factor)
                .ok_or_else(wrong)?;
            let part = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor));
            total = part.and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
            rest = next;
        }
        Ok(Self(Duration::from_millis(total)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        // Seconds up to two minutes, because that is how timeouts are talked about.
        let (unit, factor) = TIME_UNITS
            .iter()
            .find(|(_, factor)| millis > 120_000 && millis.is_multiple_of(*factor))
            .or_else(|| {
                TIME_UNITS.iter().skip(3).find(|(_, factor)| millis.is_multiple_of(*factor))
            })
            .unwrap_or(&("ms", 1));
        write!(f, "{}{unit}", millis / factor)
    }
}

/// A part of a disk: hundredths of it, or bytes as in [`ByteSize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiskShare(pub(crate) KeepFree);

impl FromStr for DiskShare {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError::NotAShare(text.to_owned());
        let Some(part) = text.trim().strip_suffix('%') else {
            let bytes: ByteSize = text.parse().map_err(|_| wrong())?;
            return Ok(Self(KeepFree::Bytes(bytes.0)));
        };
        let part = part.trim_end().parse().ok().filter(|part| *part <= 100).ok_or_else(wrong)?;
        Ok(Self(KeepFree::Percent(part)))
    }
}

impl fmt::Display for DiskShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            KeepFree::Percent(part) => write!(f, "{part}%"),
            KeepFree::Bytes(bytes) => ByteSize(bytes).fmt(f),
        }
    }
}

/// Splits off the leading digits, and drops the blanks behind them.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (digits, rest.trim_start())
}

macro_rules! text_in_files {
    ($name:ident, $format:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'_, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format })
            }
        }
    };
}

text_in_files!(ByteSize, "size");
text_in_files!(Span, "duration");
text_in_files!(DiskShare, "share");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_every_usual_spelling() {
        let read = |text: &str| text.parse::<ByteSize>().map(|size| size.0);
        assert_eq!(read("0"), Ok(0));
        assert_eq!(read("1024"), Ok(1024));
        assert_eq!(read("64MiB"), Ok(64 << 20));
        assert_eq!(read("64 MiB"), Ok(64 << 20));
        assert_eq!(read("10G"), Ok(10 << 30));
        assert_eq!(read("10GB"), Ok(10_000_000_000));
        assert_eq!(read("5kB"), Ok(5000));
    }

    #[test]
    fn sizes_that_say_nothing_are_refused() {
        for text in ["", "MiB", "-1", "1.5G", "10 apples", "10g", "99999999999T"] {
            let error = text.parse::<ByteSize>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn a_part_of_a_disk_is_hundredths_or_bytes() {
        let read = |text: &str| text.parse::<DiskShare>().map(|share| share.0);
        assert_eq!(read("20%"), Ok(KeepFree::Percent(20)));
        assert_eq!(read(" 5 %"), Ok(KeepFree::Percent(5)));
        assert_eq!(read("50G"), Ok(KeepFree::Bytes(50 << 30)));
        for text in ["", "%", "101%", "-1%", "2.5%", "a lot"] {
            assert!(read(text).unwrap_err().to_string().contains("20% or 50G"), "{text}");
        }
        for text in ["20%", "50GiB"] {
            assert_eq!(text.parse::<DiskShare>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn durations_are_read_alone_and_joined() {
        let read = |text: &str| text.parse::<Span>().map(|span| span.0.as_millis());
        assert_eq!(read("30s"), Ok(30_000));
        assert_eq!(read("250ms"), Ok(250));
        assert_eq!(read("1h30m"), Ok(5_400_000));
        assert_eq!(read("1h 30m"), Ok(5_400_000));
        assert_eq!(read("2d"), Ok(172_800_000));
        assert_eq!(read("0s"), Ok(0));
    }

    #[test]
    fn durations_without_a_unit_are_refused() {
        for text in ["", "30", "s", "1h30", "5 minutes", "-5s", "1.5h"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for bytes in [0, 1, 1000, 1024, 64 << 20, (64 << 20) + 1, 3 << 40] {
            let shown = ByteSize(bytes).to_string();
            assert_eq!(shown.parse(), Ok(ByteSize(bytes)), "{shown}");
        }
        for millis in [0, 1, 1500, 60_000, 120_000, 900_000, 3_600_000, 86_400_000] {
            let span = Span(Duration::from_millis(millis));
            assert_eq!(span.to_string().parse(), Ok(span), "{span}");
        }
        assert_eq!(Span::seconds(60).to_string(), "60s");
        assert_eq!(Span::seconds(900).to_string(), "15m");
        assert_eq!(ByteSize(64 << 20).to_string(), "64MiB");
    }
}
