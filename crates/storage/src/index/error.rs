//! Errors of an index.

/// A failure of the index's database.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The database cannot be reached, opened, read or written now.
    #[error("the index {database} cannot be used: {why}")]
    Unavailable {
        /// Which database.
        database: String,
        /// Why not.
        why: String,
    },
    /// Another version of this program made the database.
    #[error(
        "the index {database} has schema {found}, and this version knows schemas up to {known}: \
         use the version that made it, or a newer one"
    )]
    TooNew {
        /// Which database.
        database: String,
        /// Its schema.
        found: i64,
        /// The newest known schema.
        known: i64,
    },
    /// It is the index of another storage.
    #[error(
        "the index {database} is of {found}, and not of {wanted}: name another index in index.url; if both are one \
         storage, which has moved or is reached by another address, run `rust-nix-serve storage index --same-storage`"
    )]
    OtherStorage {
        /// Which database.
        database: String,
        /// The names of its storage.
        found: String,
        /// The name of the storage that is asked about.
        wanted: String,
    },
}
