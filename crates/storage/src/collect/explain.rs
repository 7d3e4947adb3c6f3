//! The reasons why a path stays or goes, in words.

use std::time::Duration;

use rns_cache::KeepReason;
use rns_formats::StorePath;

use super::{
    verdict::Cause,
    why::{RemovalPlace, Why},
};
use crate::retention::{FULL_PERCENT, Retention, TARGET_PERCENT};

/// The reasons why a path stays. None: it goes.
#[must_use]
pub fn reasons(found: &Why, retention: &Retention) -> Vec<KeepReason> {
    let mut reasons = Vec::new();
    let by = |chain: &[StorePath]| if chain.len() > 1 { "a path that needs it" } else { "it" };
    if let Some((root, chain)) = &found.root {
        let text = format!("the root {root} needs it");
        reasons.push(KeepReason { label: "root", text, chain: chain.clone() });
    }
    if let Some(chain) = &found.young {
        let text = format!("{} was pushed, or told to a pusher, within min_age", by(chain));
        reasons.push(KeepReason { label: "young", text, chain: chain.clone() });
    }
    // A limit that is exceeded lets it go, used or not.
    if found.going.is_some() {
        return reasons;
    }
    if let Some(chain) = &found.used {
        let text = format!("{} was used within unused_for", by(chain));
        reasons.push(KeepReason { label: "used", text, chain: chain.clone() });
    }
    // A limit lets no path of a root go.
    if found.root.is_none() && retention.unused_for.is_none() && !retention.keep_roots {
        let text = allowed(found, retention).to_owned();
        reasons.push(KeepReason { label: "allowed", text, chain: Vec::new() });
    }
    reasons
}

/// Why no rule lets a path go.
fn allowed(found: &Why, retention: &Retention) -> &'static str {
    let has_limit = retention.max_size.is_some()
        || retention.keep_free.is_some()
        || retention.max_closures.is_some();
    let is_full = found.present_bytes.is_some_and(|bytes| retention.is_nearly_full(bytes));
    if is_full {
        "closures that were used less recently are enough to get below max_size"
    } else if has_limit {
        "no rule lets it go before a limit is exceeded"
    } else {
        "no rule lets it go"
    }
}

/// When a path goes, and because of which rule. `None`: something keeps it for good.
#[must_use]
pub fn fate(found: &Why, reasons: &[KeepReason], retention: &Retention) -> Option<String> {
    if let Some(going) = found.going {
        return Some(going.to_string());
    }
    if reasons.is_empty() {
        return Some("nothing keeps it: it goes with the next collection".to_owned());
    }
    let is_only_young = found.young.is_some() && reasons.len() == 1;
    is_only_young.then(|| {
        let age = whole_units(retention.min_age);
        format!("nothing else keeps it: it may go once min_age ({age}) has passed")
    })
}

/// A time in the largest unit that it has a whole number of.
fn whole_units(time: Duration) -> String {
    let seconds = time.as_secs();
    let (unit, name) = [(3600, "h"), (60, "min")]
        .into_iter()
        .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit))
        .unwrap_or((1, "s"));
    format!("{} {name}", seconds / unit)
}

impl std::fmt::Display for RemovalPlace {
    /// Why it goes although it may have been used lately, and when.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cause, place, count } = self;
        match cause {
            Cause::Size => write!(
                f,
                "max_size is exceeded, or nearly: from {FULL_PERCENT} % on a server lets closures go, down to \
                 {TARGET_PERCENT} %"
            ),
            Cause::Disk => f.write_str("the disk has less free than keep_free"),
            Cause::Closures => f.write_str("max_closures is exceeded"),
            Cause::Unused => f.write_str("it was not used for unused_for"),
            Cause::Unrooted => f.write_str("no root needs it"),
            Cause::Interrupted => f.write_str("a collection that was cut off had begun with it"),
        }?;
        write!(f, "; number {place} of {count} paths that go")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_age_is_told_as_none() {
        let told = [86_400, 5_400, 30, 0].map(|age| whole_units(Duration::from_secs(age)));
        assert_eq!(told, ["24 h", "90 min", "30 s", "0 s"]);
    }
}
