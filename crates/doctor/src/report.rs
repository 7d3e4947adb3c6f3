//! The outcomes of all checks.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{Finding, FindingId, Outcome};

/// The outcomes of checks.
#[derive(Clone, Debug, Default)]
pub struct DoctorReport {
    /// The fault.
    pub findings: Vec<Finding>,
    /// The check that could not be made.
    pub unchecked: Vec<Unchecked>,
    /// A thing that could be better.
    pub hints: Vec<Hint>,
    /// A sound result: the name of the check, and a few words.
    pub sound: Vec<(&'static str, String)>,
}

/// A thing that does no harm, and could be better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The name of the check.
    pub check: &'static str,
    /// The facts, a sentence without its full stop.
    pub what: String,
    /// The line that makes it better.
    pub mend: String,
}

/// A check that could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unchecked {
    /// Its name.
    pub check: &'static str,
    /// Why not.
    pub why: String,
}

impl DoctorReport {
    /// Adds the outcome of a check. The same finding of two checks counts once.
    pub fn add(&mut self, check: &'static str, outcome: Outcome) {
        match outcome {
            Outcome::Sound(seen) => self.sound.push((check, seen)),
            Outcome::Hint { what, mend } => self.hints.push(Hint { check, what, mend }),
            Outcome::Wrong(findings) => self.add_findings(findings),
            Outcome::Unchecked(why) => self.unchecked.push(Unchecked { check, why }),
            Outcome::NotApplicable => {}
        }
    }

    fn add_findings(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
    }

    /// Adds all of another report. The same finding of both counts once.
    pub fn extend(&mut self, other: Self) {
        self.add_findings(other.findings);
        self.unchecked.extend(other.unchecked);
        self.hints.extend(other.hints);
        self.sound.extend(other.sound);
    }

    /// Returns true if there is a finding of this kind.
    #[must_use]
    pub fn has(&self, id: FindingId) -> bool {
        self.findings.iter().any(|finding| finding.id == id)
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let unchecked = self.unchecked.iter();
        let unchecked = unchecked.map(|one| json!({ "check": one.check, "why": one.why }));
        let hints = self.hints.iter().map(
            |Hint { check, what, mend }| json!({ "check": check, "what": what, "mend": mend }),
        );
        let sound = self.sound.iter().map(|(check, seen)| json!({ "check": check, "seen": seen }));
        json!({
            "findings": self.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
            "unchecked": unchecked.collect::<Vec<_>>(),
            "hints": hints.collect::<Vec<_>>(),
            "sound": sound.collect::<Vec<_>>(),
        })
    }

    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a text cannot fail.
        for (check, seen) in &self.sound {
            _ = writeln!(text, "ok       {check}: {seen}");
        }
        for Hint { check, what, mend } in &self.hints {
            _ = writeln!(text, "hint     {check}: {what}\n  mend   {mend}");
        }
        let mut told: Vec<&str> = Vec::new();
        for Unchecked { why, .. } in &self.unchecked {
            if told.contains(&why.as_str()) {
                continue;
            }
            told.push(why);
            let same = self.unchecked.iter().filter(|one| one.why == *why);
            let checks: Vec<&str> = same.map(|one| one.check).collect();
            _ = writeln!(text, "unknown  {}: {why}", checks.join(", "));
        }
        for Finding { id, what, mend } in &self.findings {
            _ = writeln!(text, "\nWRONG    {id}: {what}\n  why    {}\n  mend   {mend}", id.why());
        }
        let summary = match (self.findings.len(), self.unchecked.len()) {
            (0, 0) => "Nothing is wrong.".to_owned(),
            (0, 1) => "Nothing wrong was found; one check could not be made.".to_owned(),
            (0, unknown) => format!("Nothing wrong was found; {unknown} checks could not be made."),
            (1, _) => "One thing is wrong.".to_owned(),
            (wrong, _) => format!("{wrong} things are wrong."),
        };
        _ = writeln!(text, "\n{summary}");
        text
    }
}
