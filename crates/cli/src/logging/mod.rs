//! The log on standard error, fit for a terminal, the journal or a machine.

mod budget;
mod queue;

use std::{
    env, fmt,
    io::{self, IsTerminal as _},
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
};

use anyhow::Context as _;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::ParseError,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Compact, Format, Writer},
    },
    layer::SubscriberExt as _,
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt as _,
};

use self::{
    budget::LineBudget,
    queue::{Flush, LogQueue},
};

/// How the program logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogConfig {
    /// The levels that are logged: one, or one for each module.
    pub(crate) level: String,
    /// How a line looks.
    pub(crate) format: LogFormat,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For the journal when that is listening, otherwise text.
    Auto,
    /// With the time.
    Text,
    /// One object for each line.
    Json,
}

/// Why a text is no log level.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogLevelError {
    /// A word that is no level. The filter itself would take it for the name of a module, and log nothing.
    #[error("`{0}` is not a log level")]
    UnknownLevel(String),
    /// The filter cannot read it.
    #[error(transparent)]
    Filter(#[from] ParseError),
    /// The subscriber that the filter belongs to is gone.
    #[error(transparent)]
    Reload(#[from] reload::Error),
}

impl LogFormat {
    /// Whether people read standard output and error of this process.
    pub(crate) fn is_for_people(self) -> bool {
        self == Self::Text || self == Self::Auto && !journal_listens()
    }
}

/// Changes the log level while the program runs.
#[derive(Clone)]
pub(crate) struct LogLevel(reload::Handle<EnvFilter, Registry>);

impl LogLevel {
    /// Logs by this level from now on.
    ///
    /// # Errors
    ///
    /// When the text is no level.
    pub(crate) fn set(&self, level: &str) -> Result<(), LogLevelError> {
        check_level(level)?;
        Ok(self.0.reload(filter(level)?)?)
    }
}

/// Whether a text is a log level, or levels for modules.
///
/// # Errors
///
/// Names the part that is no level. The filter alone does not find it: it takes every word for the name of a module, so
/// that a misspelt level would silence the log.
pub(crate) fn check_level(text: &str) -> Result<(), LogLevelError> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    for part in text.split(',') {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level).trim();
        if !levels.iter().any(|known| known.eq_ignore_ascii_case(level)) {
            return Err(LogLevelError::UnknownLevel(level.to_owned()));
        }
    }
    EnvFilter::try_new(text)?;
    Ok(())
}

/// The filter of a level. At `info`, the HTTP library logs only warnings: its lines about threads help no operator.
fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    let usual = level.trim().eq_ignore_ascii_case("info");
    EnvFilter::try_new(if usual { "info,actix_server=warn" } else { level })
}

/// Starts logging. Lines are written until the last value returned is dropped.
///
/// # Errors
///
/// When the text is no level, or logging was started before.
pub(crate) fn start(config: &LogConfig) -> anyhow::Result<(LogLevel, Flush)> {
    let filter = filter(&config.level).context("log.level")?;
    let (filter, handle) = reload::Layer::new(filter);
    let budget = LineBudget::default();
    let queue = LogQueue::start(io::stderr(), budget.clone()).context("the log's thread")?;
    let flush = queue.flush_at_end();
    let lines = tracing_subscriber::fmt::layer().with_writer(queue);
    let lines: Box<dyn Layer<_> + Send + Sync> = match config.format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Auto if journal_listens() => {
            lines.with_ansi(false).event_format(Journal::new()).boxed()
        }
        LogFormat::Auto | LogFormat::Text => {
            lines.compact().with_ansi(io::stderr().is_terminal()).boxed()
        }
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(budget)
        .with(lines)
        .try_init()
        .context("logging was started before")?;
    Ok((LogLevel(handle), flush))
}

/// Whether standard error is the stream to the journal that systemd names in `JOURNAL_STREAM`; the variable alone
/// is inherited by programs whose output goes elsewhere.
fn journal_listens() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else { return false };
    let Ok(error) = io::stderr().as_fd().try_clone_to_owned() else { return false };
    std::fs::File::from(error)
        .metadata()
        .is_ok_and(|file| stream == format!("{}:{}", file.dev(), file.ino()))
}

/// Lines for the journal: its priority in front, no time, for it has its own.
struct Journal(Format<Compact, ()>);

impl Journal {
    fn new() -> Self {
        Self(Format::default().compact().without_time().with_level(false).with_ansi(false))
    }
}

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // As in sd-daemon(3).
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        let mut text = String::new();
        self.0.format_event(context, Writer::new(&mut text), event)?;
        // The journal makes an entry of each line.
        text.lines().try_for_each(|line| writeln!(writer, "<{priority}>{line}"))
    }
}

/// A text for standard error, with the priority of an error where the journal reads it.
pub(crate) fn as_error(text: &str) -> String {
    if journal_listens() {
        let lines: Vec<String> = text.lines().map(|line| format!("<3>{line}")).collect();
        lines.join("\n")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_checked_word_by_word() {
        for text in ["info", "WARN", "rns_nix_store=debug,info", "off"] {
            check_level(text).unwrap();
        }
        let refused = |text| check_level(text).unwrap_err().to_string();
        assert_eq!(refused("inof"), "`inof` is not a log level");
        assert_eq!(refused("rns_nix_store=loud,info"), "`loud` is not a log level");
        assert_eq!(refused(""), "`` is not a log level");
    }
}
