//! The clocks of both ends.

use reqwest::header::{AGE, DATE};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc2822};

use super::subject::CacheSubject;
use crate::{Finding, FindingId, Outcome};

/// The difference that does no harm, which the time of the answer itself is part of.
const MAX_CLOCK_SKEW: Duration = Duration::minutes(2);

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    let answer = match cache.info_answer().await {
        Ok(answer) => answer,
        Err(trouble) => return Outcome::Unchecked(trouble.to_string()),
    };
    let date = answer.header(DATE).and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok());
    let Some(date) = date else {
        return Outcome::Unchecked("the cache does not send its time".to_owned());
    };
    let ahead = date - OffsetDateTime::now_utc();
    // A cache on the way keeps the date of the answer, and says how old that is.
    let age = answer.header(AGE).and_then(|age| age.trim().parse().ok()).map(Duration::seconds);
    let ages = [Duration::ZERO, age.unwrap_or(Duration::ZERO)];
    if ages.into_iter().any(|age| (ahead + age).abs() <= MAX_CLOCK_SKEW) {
        return Outcome::Sound("both ends have the same time".to_owned());
    }
    let direction = if ahead.is_positive() { "ahead of" } else { "behind" };
    let by = rounded(ahead.abs());
    Outcome::wrong(Finding::new(
        FindingId::ClockSkew,
        format!("the clock of the cache is {by} {direction} that of this machine"),
        "timedatectl set-ntp true   # on the machine whose clock is wrong",
    ))
}

/// A length of time in its largest unit.
fn rounded(time: Duration) -> String {
    let (number, unit) = match (time.whole_days(), time.whole_hours(), time.whole_minutes()) {
        (0, 0 | 1, minutes) => (minutes, "minutes"),
        (0 | 1, hours, _) => (hours, "hours"),
        (days, ..) => (days, "days"),
    };
    format!("{number} {unit}")
}
