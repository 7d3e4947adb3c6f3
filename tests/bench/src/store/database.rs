//! Nix's database, written with the `sqlite3` program.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use rns_formats::{PathInfo, StoreDir};

#[path = "../../../../crates/testing/src/store/schema.rs"]
#[allow(dead_code, reason = "the tables of realisations are not wanted here")]
mod schema;

/// Makes the database at `file`: the tables, then the rows of `rows`. When `sqlite3` has ended nothing is
/// left in the write-ahead log.
pub(crate) fn create(file: &Path, rows: &str) -> Result<()> {
    let directory = file.parent().context("a database is in a directory")?;
    std::fs::create_dir_all(directory)?;
    std::fs::write(directory.join("schema"), "10")?;
    let schema = schema::SCHEMA;
    run(
        file,
        &format!("pragma journal_mode=wal; pragma synchronous=off; begin; {schema} {rows} commit;"),
    )
}

/// Runs statements.
pub(crate) fn run(file: &Path, sql: &str) -> Result<()> {
    let mut child = Command::new("sqlite3")
        .args(["-bail", "-batch"])
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("sqlite3 is not installed")?;
    child.stdin.take().context("stdin is a pipe")?.write_all(sql.as_bytes())?;
    ensure!(child.wait()?.success(), "sqlite3 has failed");
    Ok(())
}

/// The base name of the path with this row.
pub(crate) fn path_of(file: &Path, row: u64) -> Result<String> {
    let question = format!("select substr(path, 12) from ValidPaths where id = {row};");
    let output = Command::new("sqlite3").arg("-readonly").arg(file).arg(question).output()?;
    ensure!(output.status.success(), "sqlite3 has failed");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The statements that register these paths, with their references. The targets of references must be among
/// them.
pub(crate) fn rows(infos: &[PathInfo]) -> String {
    let (store_dir, mut sql) = (StoreDir::default(), String::new());
    let id = |path: &rns_formats::StorePath| {
        infos.iter().position(|info| info.path == *path).map_or(0, |index| index + 1)
    };
    for (index, info) in infos.iter().enumerate() {
        _ = writeln!(
            sql,
            "insert into ValidPaths (id, path, hash, registrationTime, narSize)
             values ({}, '{}', 'sha256:{}', {}, {});",
            index + 1,
            store_dir.print(&info.path),
            info.nar_hash.to_hex(),
            info.registration_time,
            info.nar_size
        );
        for reference in &info.references {
            _ = writeln!(sql, "insert into Refs values ({}, {});", index + 1, id(reference));
        }
    }
    sql
}

/// The statements that register `count` paths that are not on disk, each referring to three before it.
pub(crate) fn many(count: u64) -> String {
    format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {count})
         insert into ValidPaths (id, path, hash, registrationTime, narSize)
         select i, '/nix/store/' || replace(lower(hex(randomblob(16))), 'e', 'g') || '-package-' || i,
             'sha256:' || lower(hex(randomblob(32))), 1700000000 + i, 4096 + i from n;
         with recursive n(i) as (select 1 union all select i + 1 from n where i < {count})
         insert or ignore into Refs select i, i / 2 from n where i > 1;
         with recursive n(i) as (select 1 union all select i + 1 from n where i < {count})
         insert or ignore into Refs select i, i / 3 from n where i > 2;
         with recursive n(i) as (select 1 union all select i + 1 from n where i < {count})
         insert or ignore into Refs select i, i - 1 from n where i > 1;
         "
    )
}
