//! The labels of the metrics: closed sets, so that no client can make new series.

use rns_formats::url::Resource;

/// Declares an enum, the list of its variants and the label of each.
macro_rules! labels {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Every one of them.
            pub(crate) const ALL: [Self; [$($label),+].len()] = [$(Self::$variant),+];

            /// Its name in the metrics.
                    pub(crate) const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            pub(super) const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

labels! {
    /// The kind of resource that was asked for.
    Kind {
        /// `/`
        Root = "root",
        /// `/nix-cache-info`
        CacheInfo = "cache_info",
        /// `/<hash part>.narinfo`
        NarInfo = "narinfo",
        /// `/<hash part>.ls`
        Listing = "listing",
        /// `/nar/…`
        Nar = "nar",
        /// `/log/…`
        Log = "log",
        /// `/build-trace-v2/…`
        BuildTrace = "build_trace",
        /// `/realisations/…`
        Realisation = "realisation",
        /// `/debuginfo/…`
        DebugInfo = "debuginfo",
        /// `/missing`
        MissingPaths = "missing",
        /// `/serve/…`
        Serve = "serve",
        /// `/gcroots` and `/gcroots/…`
        GcRoots = "gcroots",
        /// `/pubkey`
        PublicKeys = "pubkey",
        /// `/api/cache-config`
        CacheConfig = "cache_config",
        /// `/api/sample-path`
        SamplePath = "sample_path",
        /// `/version`
        Version = "version",
        /// `/healthz` and `/readyz`
        Health = "health",
        /// `/metrics`
        Metrics = "metrics",
        /// Names that stand for nothing.
        Other = "other",
    }
}

labels! {
    /// Why a download ended before its last byte.
    AbortCause {
        /// The client went away, or took nothing for too long.
        Client = "client",
        /// The files are not the registered ones.
        Damaged = "damaged",
        /// A file could not be read.
        Read = "read",
        /// The store could not answer.
        Unavailable = "unavailable",
        /// The server stopped before the download was over.
        Stopping = "stopping",
    }
}

labels! {
    /// Why an upload was refused after the client was allowed to push.
    RefusedUpload {
        /// It is not in the form that its name promises.
        Malformed = "malformed",
        /// It contradicts its name or narinfo.
        Mismatch = "mismatch",
        /// It is larger than is taken, or its length is not said.
        Length = "length",
        /// A narinfo came before its NAR.
        MissingNar = "missing_nar",
        /// A narinfo came before those of paths that it refers to.
        MissingReferences = "missing_references",
        /// A signature that is required is not there.
        Unsigned = "unsigned",
        /// The token may not push this name.
        NotAllowed = "not_allowed",
        /// This kind of cache has no place for it.
        Unsupported = "unsupported",
        /// Something else is stored under this name.
        Conflict = "conflict",
        /// The storage is full.
        Full = "full",
        /// Too many are taken already.
        Busy = "busy",
        /// The storage or its index cannot be used.
        Unavailable = "unavailable",
    }
}

labels! {
    /// How a client is connected.
    Transport {
        /// TCP.
        Tcp = "tcp",
        /// TLS over TCP.
        Tls = "tls",
        /// A unix socket.
        Unix = "unix",
    }
}

impl Kind {
    /// The kind of the resource that a URL names.
    pub(crate) const fn of(resource: Option<&Resource>) -> Self {
        match resource {
            None => Self::Other,
            Some(Resource::Root) => Self::Root,
            Some(Resource::CacheInfo) => Self::CacheInfo,
            Some(Resource::NarInfo { .. }) => Self::NarInfo,
            Some(Resource::Listing(_)) => Self::Listing,
            Some(Resource::Nar(_)) => Self::Nar,
            Some(Resource::Log(_)) => Self::Log,
            Some(Resource::BuildTrace { .. }) => Self::BuildTrace,
            Some(Resource::Realisation(_)) => Self::Realisation,
            Some(Resource::DebugInfo(_)) => Self::DebugInfo,
            Some(Resource::MissingPaths) => Self::MissingPaths,
            Some(Resource::Serve { .. }) => Self::Serve,
            Some(Resource::GcRoots | Resource::GcRoot(_) | Resource::NoGcRoot(_)) => Self::GcRoots,
            Some(Resource::PublicKeys) => Self::PublicKeys,
            Some(Resource::CacheConfig) => Self::CacheConfig,
            Some(Resource::SamplePath) => Self::SamplePath,
            Some(Resource::Version) => Self::Version,
            Some(Resource::Healthz | Resource::Readyz) => Self::Health,
            Some(Resource::Metrics) => Self::Metrics,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn labels_are_distinct_and_indices_match_the_list() {
        let labels: HashSet<_> = Kind::ALL.iter().map(|kind| kind.label()).collect();
        assert_eq!(labels.len(), Kind::ALL.len());
        for (index, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(kind.index(), index);
        }
    }

    #[test]
    fn a_name_that_stands_for_nothing_has_a_kind_too() {
        assert_eq!(Kind::of(None), Kind::Other);
        assert_eq!(Kind::of(Some(&Resource::CacheInfo)), Kind::CacheInfo);
    }
}
