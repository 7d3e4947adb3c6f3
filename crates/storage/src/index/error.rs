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
}
