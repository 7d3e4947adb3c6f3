//! Statements that several questions to the database share.

/// The path in a row.
pub(crate) const PATH_OF_ROW: &str = "select path from ValidPaths where id = ?1";

/// The row of a path.
pub(crate) const ROW_OF_PATH: &str = "select id from ValidPaths where path = ?1";

/// The rows that a row refers to.
pub(crate) const REFERENCES_OF_ROW: &str = "select reference from Refs where referrer = ?1";

/// Paths behind a row, at most so many.
pub(crate) const PATHS_BEHIND_ROW: &str =
    "select id, path from ValidPaths where id > ?1 order by id limit ?2";

/// The highest number that a row ever had, in stores whose rows are numbered so.
pub(crate) const HIGHEST_ROW: &str = "select seq from sqlite_sequence where name = 'ValidPaths'";
