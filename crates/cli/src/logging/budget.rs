//! How many lines one place in the program may log. Clients cause many of them, also in the framework, and a
//! client can do so thousands of times in a second.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tracing::{Event, Level, Metadata, Subscriber, callsite::Identifier};
use tracing_subscriber::{Layer, layer::Context};

/// Lines in one burst, and one more each so often.
const MAX_BURST_LINES: u32 = 200;
const REFILL_INTERVAL: Duration = Duration::from_millis(500);

/// The lines that each place may still log. Clones share it.
#[derive(Clone, Default)]
pub(super) struct LineBudget(Arc<Mutex<HashMap<Identifier, CallSite>>>);

struct CallSite {
    metadata: &'static Metadata<'static>,
    left: u32,
    since: Instant,
    left_out: u64,
}

impl LineBudget {
    fn places(&self) -> MutexGuard<'_, HashMap<Identifier, CallSite>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_log(&self, metadata: &'static Metadata<'static>, now: Instant) -> bool {
        let mut places = self.places();
        let place = places.entry(metadata.callsite()).or_insert(CallSite {
            metadata,
            left: MAX_BURST_LINES,
            since: now,
            left_out: 0,
        });
        let more =
            now.saturating_duration_since(place.since).as_millis() / REFILL_INTERVAL.as_millis();
        if more > 0 {
            let more = u32::try_from(more).unwrap_or(MAX_BURST_LINES);
            (place.left, place.since) = (place.left.saturating_add(more).min(MAX_BURST_LINES), now);
        }
        let may = place.left > 0;
        place.left = place.left.saturating_sub(1);
        place.left_out += u64::from(!may);
        may
    }

    /// Tells how many lines were left out.
    pub(super) fn tell_left_out(&self) {
        let mut left_out = Vec::new();
        for place in self.places().values_mut() {
            let number = mem::take(&mut place.left_out);
            if number > 0 {
                left_out.push((place.metadata.target(), number));
            }
        }
        for (target, number) in left_out {
            tracing::warn!("{number} more lines like those of {target} were left out");
        }
    }
}

impl<S: Subscriber> Layer<S> for LineBudget {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        // Who wants to see everything gets it.
        *metadata.level() > Level::INFO || self.may_log(metadata, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use tracing::level_filters::LevelFilter;
    use tracing_subscriber::{Registry, layer::SubscriberExt as _};

    use super::*;

    #[test]
    fn one_place_does_not_fill_the_log_and_keeps_no_other_out_of_it() {
        let budget = LineBudget::default();
        let registry = Registry::default().with(LevelFilter::TRACE).with(budget.clone());
        tracing::subscriber::with_default(registry, || {
            for _ in 0..10_000 {
                tracing::error!("a client did something");
            }
            tracing::error!("another place");
            for _ in 0..10_000 {
                tracing::debug!("somebody wants to know");
            }
        });
        let left_out: Vec<_> = budget.places().values().map(|place| place.left_out).collect();
        assert_eq!(left_out.len(), 2);
        let most = *left_out.iter().max().unwrap();
        assert!((9_000..=10_000 - u64::from(MAX_BURST_LINES)).contains(&most), "{most}");
        assert!(left_out.contains(&0));
        budget.tell_left_out();
        assert!(budget.places().values().all(|place| place.left_out == 0));
    }
}
