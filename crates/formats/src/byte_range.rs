//! The `Range` header of a request: one range of bytes, or the whole.

/// A single range of bytes as a request asks for it, before the length of the body is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RangeRequest {
    /// `bytes=N-`: from byte `N` to the end. The only form that Nix sends, to resume a download.
    From(u64),
    /// `bytes=N-M`: from byte `first` up to and including byte `last`.
    Between {
        /// First byte.
        first: u64,
        /// Last byte, never before the first; may lie behind the end.
        last: u64,
    },
    /// `bytes=-N`: the last `N` bytes.
    Last(u64),
}

/// Which bytes of a body of known length are to be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ByteRange {
    /// All of them, as if no range had been asked for: status 200.
    Whole,
    /// A part, never empty: status 206.
    Part {
        /// First byte.
        start: u64,
        /// The byte after the last one; at most the length of the body.
        end_exclusive: u64,
    },
    /// None of the bytes asked for exists: status 416.
    Unsatisfiable,
}

impl RangeRequest {
    /// Reads the value of a `Range` header. `None` when it is malformed, has another unit than
    /// bytes, or asks for several ranges: such a header is to be ignored. A number that is too
    /// large counts as the largest one.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let (unit, range) = header.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        // Digits only on both sides: a second range would bring a comma.
        let (first, last) = range.trim_matches([' ', '\t']).split_once('-')?;
        match (first, last) {
            ("", suffix) => Some(Self::Last(number(suffix)?)),
            (first, "") => Some(Self::From(number(first)?)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Between { first, last })
            }
        }
    }

    /// Which bytes that means for a body of `len` bytes.
    #[must_use]
    pub const fn resolve(self, len: u64) -> ByteRange {
        let (start, end_exclusive) = match self {
            Self::From(first) => (first, len),
            Self::Between { first, last } if last < len => (first, last + 1),
            Self::Between { first, .. } => (first, len),
            Self::Last(count) => (len.saturating_sub(count), len),
        };
        if start < end_exclusive {
            ByteRange::Part { start, end_exclusive }
        } else {
            ByteRange::Unsatisfiable
        }
    }
}

impl ByteRange {
    /// The meaning of a `Range` header for a body of `len` bytes. A header that is
    /// malformed or asks for several ranges means [`Whole`](Self::Whole).
    #[must_use]
    pub fn parse(header: &str, len: u64) -> Self {
        RangeRequest::parse(header).map_or(Self::Whole, |request| request.resolve(len))
    }

    /// Value of the `Content-Range` header that goes with the answer; `None` for the whole.
    #[must_use]
    pub fn content_range(self, len: u64) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Part { start, end_exclusive } => {
                Some(format!("bytes {start}-{}/{len}", end_exclusive.saturating_sub(1)))
            }
            Self::Unsatisfiable => Some(format!("bytes */{len}")),
        }
    }
}

fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Only digits: the one thing that can go wrong is that they are too many.
    Some(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn part(start: u64, end_exclusive: u64) -> ByteRange {
        ByteRange::Part { start, end_exclusive }
    }

    #[test]
    fn a_resumed_download_gets_the_rest() {
        assert_eq!(ByteRange::parse("bytes=0-", 10), part(0, 10));
        assert_eq!(ByteRange::parse("bytes=9-", 10), part(9, 10));
        assert_eq!(ByteRange::parse("bytes=10-", 10), ByteRange::Unsatisfiable);
        assert_eq!(ByteRange::parse("bytes=0-", 0), ByteRange::Unsatisfiable);
    }

    #[test]
    fn ranges_are_cut_at_the_end_of_the_body() {
        assert_eq!(ByteRange::parse("bytes=2-4", 10), part(2, 5));
        assert_eq!(ByteRange::parse("bytes=2-9", 10), part(2, 10));
        assert_eq!(ByteRange::parse("bytes=2-10", 10), part(2, 10));
        assert_eq!(ByteRange::parse("bytes=2-18446744073709551615", 10), part(2, 10));
        assert_eq!(ByteRange::parse("bytes=10-20", 10), ByteRange::Unsatisfiable);
        assert_eq!(ByteRange::parse("bytes=-3", 10), part(7, 10));
        assert_eq!(ByteRange::parse("bytes=-30", 10), part(0, 10));
        assert_eq!(ByteRange::parse("bytes=-0", 10), ByteRange::Unsatisfiable);
    }

    #[test]
    fn numbers_too_large_for_a_word_are_far_behind_the_end() {
        let huge = "9".repeat(100);
        assert_eq!(ByteRange::parse(&format!("bytes={huge}-"), u64::MAX), ByteRange::Unsatisfiable);
        assert_eq!(ByteRange::parse(&format!("bytes=1-{huge}"), 10), part(1, 10));
        assert_eq!(ByteRange::parse(&format!("bytes=-{huge}"), 10), part(0, 10));
        assert_eq!(ByteRange::parse("bytes=0-18446744073709551615", u64::MAX), part(0, u64::MAX));
    }

    #[test]
    fn what_is_not_one_range_of_bytes_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-",
            "bytes=1",
            "bytes=1-0",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=--1",
            "bytes=1--2",
            "bytes=0-1,4-5",
            "bytes=0-,",
            ",0-1",
            "items=0-1",
            "bytes 0-1",
            "bytes=0 -1",
            "bytes=0x1-",
            "bytes=١-",
            "=0-1",
        ] {
            assert_eq!(ByteRange::parse(header, 10), ByteRange::Whole, "{header:?}");
        }
    }

    #[test]
    fn the_unit_has_no_case() {
        assert_eq!(ByteRange::parse("Bytes=1-", 10), part(1, 10));
        assert_eq!(ByteRange::parse("bytes= 1-2 ", 10), part(1, 3));
    }

    #[test]
    fn content_range_names_the_last_byte() {
        assert_eq!(part(5, 10).content_range(10).as_deref(), Some("bytes 5-9/10"));
        assert_eq!(ByteRange::Unsatisfiable.content_range(10).as_deref(), Some("bytes */10"));
        assert_eq!(ByteRange::Whole.content_range(10), None);
    }
}
