//! The kinds of faults, with the names that scripts may rely on.

use std::fmt;

/// Writes the type, its names and its reasons from one table.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $kind:ident $name:literal $why:literal;)*) => {
        /// The kind of a fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FindingId { $($(#[doc = $doc])* $kind,)* }

        impl FindingId {
            /// All kinds, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The name in reports, which never changes.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// The harm that it does.
            #[must_use]
            pub const fn why(self) -> &'static str {
                match self { $(Self::$kind => $why,)* }
            }
        }
    };
}

kinds! {
    /// No connection can be made.
    Unreachable "unreachable" "Nix waits for each path, and then builds it or fails.";
    /// The name of the host has no address.
    NameUnresolved "name-unresolved" "Without an address no client finds the cache.";
    /// There are IPv4 addresses, and none answers.
    Ipv4Broken "ipv4-broken" "Clients without IPv6 cannot reach the cache, others lose seconds.";
    /// There are IPv6 addresses, and none answers.
    Ipv6Broken "ipv6-broken" "Clients try IPv6 first: some lose time with each connection, those without IPv4 get nothing.";
    /// The certificate is over.
    TlsExpired "tls-expired" "Every client refuses the connection.";
    /// The certificate is over soon.
    TlsExpiresSoon "tls-expires-soon" "From that day on every client refuses the connection.";
    /// No authority that this machine trusts has signed the certificate.
    TlsUntrusted "tls-untrusted" "Nix refuses the connection.";
    /// The certificate is for other names.
    TlsWrongName "tls-wrong-name" "Nix refuses the connection.";
    /// The port of the URL answers without TLS.
    TlsAbsent "tls-absent" "No client can speak `https` with it.";
    /// There is no `nix-cache-info`.
    NotACache "not-a-cache" "Nix takes the URL for no binary cache, and gives up or tries to create one.";
    /// `nix-cache-info` cannot be read.
    CacheInfoMalformed "cache-info-malformed" "Nix refuses the whole cache.";
    /// The cache is for another store directory.
    StoreDirDiffers "store-dir-differs" "Nix refuses the cache: paths of another store directory cannot be used.";
    /// Two caches of this client have the same priority.
    PriorityClash "priority-clash" "Which of the two is asked first is left to chance, and may be the slow one.";
    /// A credential is needed, and there is none.
    CredentialMissing "credential-missing" "Nix takes the refusal for a missing path, and remembers that for an hour.";
    /// The credential is not accepted.
    CredentialRefused "credential-refused" "Nix takes the refusal for a missing path, and remembers that for an hour.";
    /// The token is over.
    TokenExpired "token-expired" "Nix takes the refusal for a missing path, and remembers that for an hour.";
    /// The token does not allow this.
    TokenNotPermitted "token-not-permitted" "The cache knows the token, which lacks the permission for this.";
    /// The clocks differ.
    ClockSkew "clock-skew" "Tokens and certificates are refused before or after their time, and caches keep answers too long.";
    /// A narinfo cannot be read.
    NarinfoMalformed "narinfo-malformed" "Nix refuses the path, and some versions the whole cache.";
    /// A narinfo has no signature.
    Unsigned "unsigned" "Nix ignores paths without the signature of a trusted key.";
    /// A key of this name is trusted, and it is another one.
    WrongKey "wrong-key" "Nix ignores every path of the cache, since no signature is valid.";
    /// The right key is trusted under another name.
    KeyOtherName "key-other-name" "Nix chooses keys by their name, and finds none for these signatures.";
    /// The signing key is not trusted.
    KeyNotTrusted "key-not-trusted" "Nix ignores every path of the cache.";
    /// A NAR cannot be had.
    NarMissing "nar-missing" "Nix finds the path and then cannot download it.";
    /// A NAR contradicts its narinfo.
    NarDamaged "nar-damaged" "Nix downloads the path and then refuses it.";
    /// A proxy compresses NARs.
    NarRecompressed "nar-recompressed" "Such a download cannot be resumed, and costs time at both ends for nothing.";
    /// The server ignores ranges.
    RangeIgnored "range-ignored" "A download that was cut fails, although it could go on where it stopped.";
    /// The server answers ranges with other bytes.
    RangeWrong "range-wrong" "A download that was cut goes on with wrong bytes, and is refused at its end.";
    /// HEAD is not answered as GET is.
    HeadDiffers "head-differs" "`nix copy` and `nix path-info` ask with HEAD, and fail.";
    /// Connections are closed after each answer.
    KeepAliveOff "keep-alive-off" "Nix asks for thousands of small files: with a connection for each, it takes many times longer.";
    /// A proxy does not pass the query of a URL on, or takes answers to other queries for it.
    QueryLost "query-lost" "Caches that name NARs, logs or roots by a query answer with another thing, or with nothing.";
    /// A proxy takes no large uploads.
    ProxyBodyLimit "proxy-body-limit" "Pushing anything larger fails with status 413.";
    /// A proxy stores uploads before it passes them on.
    ProxyBuffers "proxy-buffers" "Each upload is sent twice, fills the disk of the proxy, and is refused only at its end.";
    /// The netrc file cannot be read.
    NetrcUnreadable "netrc-unreadable" "Nix asks without a credential, is refused, and takes all paths for missing.";
    /// Others can read the netrc file.
    NetrcOpen "netrc-open" "Every user of the machine can read the token.";
    /// The netrc file has entries for other hosts alone.
    NetrcOtherHost "netrc-other-host" "Nix asks without a credential, is refused, and takes all paths for missing.";
    /// An entry has no login.
    NetrcNoLogin "netrc-no-login" "Older versions of curl, and Nix with them, send no password without a login.";
    /// The user's nix.conf names a cache that the daemon will not use.
    UserNotTrusted "user-not-trusted" "The daemon ignores caches and keys of users that it does not trust.";
    /// Nix remembers that a path is missing, which is there.
    DiskCacheNegative "disk-cache-negative" "For an hour after the first question Nix does not ask again.";
    /// Nix remembers a path without the signature that it has now.
    DiskCacheUnsigned "disk-cache-unsigned" "For 30 days Nix ignores the path, since it remembers it without a valid signature.";
    /// Nix remembers a NAR at a URL where it is no more.
    DiskCacheMoved "disk-cache-moved" "For 30 days Nix asks for the NAR where it was, and cannot download it.";
    /// The configuration of the server is refused.
    ConfigurationInvalid "configuration-invalid" "The server does not start.";
    /// A file or directory that the configuration names cannot be used.
    FileUnusable "file-unusable" "The server does not start, or refuses every client that needs the file.";
    /// The database of the local store cannot be read.
    DatabaseUnreadable "database-unreadable" "Every request is answered with an error.";
    /// The Nix daemon does not let the server in.
    DaemonRefused "daemon-refused" "A garbage collection may take a path away while it is sent.";
    /// A signing key cannot be used.
    KeyUnusable "key-unusable" "Narinfos are refused, or sent without a signature that clients need.";
    /// Others can read a signing key.
    KeyReadable "key-readable" "Every user of the machine can sign paths that all clients then trust.";
    /// The policy shows no path.
    PolicyShowsNothing "policy-shows-nothing" "Every path is answered as missing, and clients build everything themselves.";
    /// The signing policy leaves paths without a signature.
    PolicyLeavesUnsigned "policy-leaves-unsigned" "Nix downloads the narinfo and then ignores the path.";
    /// The storage cannot be reached.
    StorageUnreachable "storage-unreachable" "Every path that is only there is answered with an error.";
    /// The storage cannot be written.
    StorageReadOnly "storage-read-only" "Every upload fails.";
    /// The index lacks paths of the storage.
    IndexBehind "index-behind" "Stored paths are not collected, and pushers are told to send them again.";
    /// The index cannot be used at all.
    IndexUnusable "index-unusable" "Every upload and every change of a root fails, and nothing is collected.";
    /// A disk is full, or nearly.
    DiskFull "disk-full" "Uploads and compressed NARs fail.";
    /// The service runs without a sandbox.
    SandboxMissing "sandbox-missing" "A fault in the server could reach everything on the machine.";
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
