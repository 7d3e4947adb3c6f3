//! The kinds of documents beside paths.

use crate::objects::ObjectKey;

/// The kind of a document, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// A build log.
    Log,
    /// A realisation of a derivation output.
    Realisation,
    /// An entry of a build trace.
    BuildTrace,
    /// Debug information.
    DebugInfo,
    /// The listing of a NAR. It goes with its path; this is about those without one.
    Listing,
}

impl DocumentKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Log, Self::Realisation, Self::BuildTrace, Self::DebugInfo, Self::Listing];

    /// The kind in metrics and in lists for programs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Realisation => "realisation",
            Self::BuildTrace => "build_trace",
            Self::DebugInfo => "debug_info",
            Self::Listing => "listing",
        }
    }

    /// The kind in a text, for several.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Log => "build logs",
            Self::Realisation => "realisations",
            Self::BuildTrace => "build trace entries",
            Self::DebugInfo => "files of debug information",
            Self::Listing => "listings",
        }
    }

    /// The kind of an object. `None`: it is no document.
    #[must_use]
    pub fn of(key: &ObjectKey) -> Option<Self> {
        let name = key.as_str();
        let is_entry = name.ends_with(".doi");
        match name.split_once('/') {
            Some(("log", _)) => Some(Self::Log),
            Some(("realisations", _)) if is_entry => Some(Self::Realisation),
            Some(("build-trace-v2", _)) if is_entry => Some(Self::BuildTrace),
            Some(("debuginfo", _)) => Some(Self::DebugInfo),
            None if name.ends_with(".ls") => Some(Self::Listing),
            _ => None,
        }
    }
}

/// Numbers of documents, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DocumentCounts([u64; DocumentKind::ALL.len()]);

impl DocumentCounts {
    /// Counts one of this kind.
    pub(super) fn add(&mut self, kind: DocumentKind) {
        if let Some(count) = self.0.get_mut(kind as usize) {
            *count += 1;
        }
    }

    /// The number of each kind.
    pub fn by_kind(&self) -> impl Iterator<Item = (DocumentKind, u64)> + '_ {
        DocumentKind::ALL.into_iter().zip(self.0)
    }

    /// The number of all kinds together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_told_from_other_objects() {
        let kind = |key| DocumentKind::of(&ObjectKey::listed(key));
        assert_eq!(kind("log/0123456789abcdfghijklmnpqrsvwxyz-a.drv"), Some(DocumentKind::Log));
        assert_eq!(kind("realisations/sha256:00!out.doi"), Some(DocumentKind::Realisation));
        assert_eq!(kind("build-trace-v2/a.drv/out.doi"), Some(DocumentKind::BuildTrace));
        assert_eq!(kind("debuginfo/00"), Some(DocumentKind::DebugInfo));
        assert_eq!(kind("0123456789abcdfghijklmnpqrsvwxyz.ls"), Some(DocumentKind::Listing));
        for other in ["nix-cache-info", "nar/a.nar", "gcroots/log/a.json", "a.narinfo", "nar/a.ls"]
        {
            assert_eq!(kind(other), None, "{other}");
        }
    }
}
