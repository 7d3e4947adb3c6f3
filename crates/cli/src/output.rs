//! Standard output, where a reader that has seen enough is no error.

use std::{
    borrow::Cow,
    io::{self, Write as _},
    time::Duration,
};

/// The answer of a command; an error is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandAnswer {
    /// It is so, or it is done: exit code 0.
    Yes,
    /// It is not so: exit code 1.
    No,
    /// The cache that it is about cannot be reached: exit code 3.
    Unreachable,
    /// Nothing speaks against it, and not everything could be seen: exit code 4.
    Incomplete,
}

/// Prints a text to standard output.
///
/// # Errors
///
/// As standard output says, a closed pipe included.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(harmless(text).as_bytes())?;
    out.flush()
}

/// Prints a line to standard error. A failure is ignored, because there is no other place to report it.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", harmless(text));
}

/// The text without characters that a terminal obeys: much of it comes from servers.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if text.contains(is_obeyed) { text.replace(is_obeyed, "\u{fffd}").into() } else { text.into() }
}

/// Whether an error only means that the reader of a pipe has gone.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// The text of an error with its causes, each said once: many texts repeat that of their cause.
pub(crate) fn in_words(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(&format!(": {cause}"));
        }
    }
    text
}

/// A length of time in its largest unit: `90s`, `5m`, `3h`, `2d`.
pub(crate) fn lasting(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Paths that wait: `1 path waits`, `2 paths wait`.
pub(crate) fn waiting(number: i64) -> String {
    match number {
        0 => "nothing waits".to_owned(),
        1 => "1 path waits".to_owned(),
        number => format!("{number} paths wait"),
    }
}

/// A number of things: `1 path`, `2 paths`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn one_thing_is_no_two_things() {
        assert_eq!((counted(1, "path"), counted(0, "path")), ("1 path".into(), "0 paths".into()));
        assert_eq!((waiting(1), waiting(2)), ("1 path waits".into(), "2 paths wait".into()));
    }

    #[test]
    fn a_time_is_told_in_its_largest_unit() {
        let said = [90, 300, 7_199, 7_200, 200_000].map(|time| lasting(Duration::from_secs(time)));
        assert_eq!(said, ["90s", "5m", "119m", "2h", "2d"]);
    }

    #[test]
    fn a_terminal_obeys_nothing_of_a_text() {
        assert_eq!(harmless("a\tb\nc\u{e9}"), "a\tb\nc\u{e9}");
        assert_eq!(harmless("\x1b]0;x\x07 \u{9b}2J\r"), "\u{fffd}]0;x\u{fffd} \u{fffd}2J\u{fffd}");
    }

    #[test]
    fn a_cause_is_said_once() {
        let cause = io::Error::other("no such file");
        let error = anyhow::Error::new(cause).context("cannot use /x: no such file").context("no");
        assert_eq!(in_words(&error), "no: cannot use /x: no such file");
    }

    #[test]
    fn a_closed_pipe_is_recognised_below_other_words() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        let wrapped = Err::<(), _>(broken()).context("printing").unwrap_err();
        assert!(is_broken_pipe(&wrapped));
        let other = Err::<(), _>(io::Error::other("no")).context("printing").unwrap_err();
        assert!(!is_broken_pipe(&other));
    }
}
