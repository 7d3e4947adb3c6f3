//! Until when a token is good.

use std::{fmt, time::SystemTime};

use time::{
    Duration, Time, UtcDateTime, error::Parse, format_description::well_known::Rfc3339,
    format_description::well_known::iso8601,
};

/// Until when a token is good. Printed as in the file of tokens: RFC 3339 in UTC with whole seconds, or `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It does not end.
    Never,
    /// From this moment on it is good no more.
    At(UtcDateTime),
}

/// A text that says no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpiryError {
    /// In a file, where only moments are written.
    #[error("expected a time such as 2027-02-19T10:00:00Z, or never")]
    Moment,
    /// In a wish.
    #[error(
        "expected a time from now such as 90d (h, d, w, y), a date such as 2027-02-19, a time such as \
         2027-02-19T10:00:00Z, or never"
    )]
    Wish,
    /// Later than can be written.
    #[error("that is too far in the future; there is never")]
    TooFar,
    /// It has been already.
    #[error("that is in the past")]
    Past,
}

impl Expiry {
    /// Reads the printed form.
    ///
    /// # Errors
    /// When it is neither a moment in RFC 3339 nor `never`.
    pub fn parse(text: &str) -> Result<Self, ExpiryError> {
        if text == "never" {
            return Ok(Self::Never);
        }
        moment(text).map(Self::At).map_err(|_| ExpiryError::Moment)
    }

    /// Reads the wish of an operator: beside the printed form a time from now on, such as `90d`, and a date, at whose
    /// beginning in UTC the token ends.
    ///
    /// # Errors
    /// When it is none of these, or not in the future.
    pub fn wished(text: &str, now: SystemTime) -> Result<Self, ExpiryError> {
        let now = whole(now.into());
        let at = match (text, span(text)) {
            ("never", _) => return Ok(Self::Never),
            (_, Some(span)) => {
                let span = span.ok_or(ExpiryError::TooFar)?;
                now.checked_add(span).filter(|at| at.year() <= 9999).ok_or(ExpiryError::TooFar)?
            }
            _ => moment(text).or_else(|_| date(text)).map_err(|_| ExpiryError::Wish)?,
        };
        if at > now { Ok(Self::At(at)) } else { Err(ExpiryError::Past) }
    }

    /// Whether it has come.
    #[must_use]
    pub fn is_over(self, now: SystemTime) -> bool {
        match self {
            Self::Never => false,
            Self::At(end) => end <= UtcDateTime::from(now),
        }
    }
}

fn moment(text: &str) -> Result<UtcDateTime, Parse> {
    UtcDateTime::parse(text, &Rfc3339).map(whole)
}

fn date(text: &str) -> Result<UtcDateTime, Parse> {
    const DATE: iso8601::EncodedConfig = iso8601::Config::DEFAULT
        .set_formatted_components(iso8601::FormattedComponents::Date)
        .encode();
    let date = time::Date::parse(text, &iso8601::Iso8601::<DATE>)?;
    Ok(UtcDateTime::new(date, Time::MIDNIGHT))
}

/// A number and a unit; `Some(None)` when that is longer than can be said.
fn span(text: &str) -> Option<Option<Duration>> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let hours = match unit {
        "h" => 1,
        "d" => 24,
        "w" => 7 * 24,
        "y" => 365 * 24,
        _ => return None,
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours = number.parse::<u32>().ok().map(|number| Duration::hours(i64::from(number) * hours));
    Some(hours)
}

fn whole(moment: UtcDateTime) -> UtcDateTime {
    moment.replace_nanosecond(0).unwrap_or(moment)
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.pad("never"),
            Self::At(at) => f.pad(&at.format(&Rfc3339).map_err(|_| fmt::Error)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T10:00:00.5Z
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_795_255_200_500)
    }

    fn wished(text: &str) -> String {
        Expiry::wished(text, now()).map_or_else(|error| format!("{error:?}"), |at| at.to_string())
    }

    #[test]
    fn a_moment_is_read_as_it_is_written_and_printed_in_utc() {
        for (text, printed) in [
            ("2027-02-19T10:00:00Z", "2027-02-19T10:00:00Z"),
            ("2027-02-19T10:00:00.25+02:00", "2027-02-19T08:00:00Z"),
            ("never", "never"),
        ] {
            assert_eq!(Expiry::parse(text).unwrap().to_string(), printed);
        }
        for bad in ["", "90d", "2027-02-19", "2027-02-30T10:00:00Z", "Never"] {
            assert_eq!(Expiry::parse(bad), Err(ExpiryError::Moment), "{bad}");
        }
    }

    #[test]
    fn a_wish_is_a_span_a_date_or_a_moment() {
        assert_eq!(wished("90d"), "2027-02-19T10:00:00Z");
        assert_eq!(wished("36h"), "2026-11-22T22:00:00Z");
        assert_eq!(wished("2w"), "2026-12-05T10:00:00Z");
        assert_eq!(wished("1y"), "2027-11-21T10:00:00Z");
        assert_eq!(wished("2027-02-19"), "2027-02-19T00:00:00Z");
        assert_eq!(wished("2027-02-19T10:00:00Z"), "2027-02-19T10:00:00Z");
        assert_eq!(wished("never"), "never");
        for bad in ["", "d", "90", "-1d", "90 d", "90m", "1.5d", "tomorrow", "2027-2-1", "2027-W08"]
        {
            assert_eq!(wished(bad), "Wish", "{bad}");
        }
        for past in ["0d", "2026-11-21", "2026-11-21T10:00:00Z"] {
            assert_eq!(wished(past), "Past", "{past}");
        }
        for far in ["9000y", "4294967295y", "99999999999999999999d"] {
            assert_eq!(wished(far), "TooFar", "{far}");
        }
    }

    #[test]
    fn a_token_ends_at_its_moment() {
        let at = |text| Expiry::parse(text).unwrap().is_over(now());
        assert!(at("2026-11-21T10:00:00Z") && !at("2026-11-21T10:00:01Z"));
        assert!(!at("never"));
    }
}
