//! The tables in PostgreSQL. A change is a new migration; those that were released stay as they are.

use deadpool_postgres::Object;

use super::rows::sql;
use crate::{
    index::{IndexError, statements},
    objects::StorageName,
};

/// Lets one server at a time migrate. Any number does that no other program uses.
const MIGRATION_LOCK: i64 = 0x0072_6e73_0001;

/// Every migration, in order.
const POSTGRES_MIGRATIONS: [&str; 7] = [
    "
    create table nars (
      id bigint generated always as identity primary key,
      key text not null unique,
      file_hash bytea not null,
      file_size bigint not null,
      nar_hash bytea not null,
      nar_size bigint not null,
      stored bigint not null,
      touched bigint not null,
      condemned bigint not null default 0,
      verified bigint not null default 0
    );
    create table paths (
      id bigint generated always as identity primary key,
      hash text collate \"C\" not null unique,
      path text not null,
      state bigint not null,
      nar bigint references nars,
      nar_size bigint not null default 0,
      file_size bigint not null default 0,
      published bigint not null default 0,
      touched bigint not null default 0,
      used bigint not null default 0
    );
    create index paths_by_nar on paths (nar) where nar is not null;
    create table refs (
      referrer bigint not null references paths,
      reference bigint not null references paths,
      primary key (referrer, reference)
    );
    create index refs_by_reference on refs (reference);
    create table pushes (
      id bigint generated always as identity primary key,
      hash text collate \"C\" not null,
      path text not null,
      pusher text not null,
      address text,
      at bigint not null
    );
    create index pushes_by_hash on pushes (hash);
    ",
    "
    alter table pushes add column pending bigint not null default 0;
    ",
    "
    create table roots (
      id bigint generated always as identity primary key,
      name text collate \"C\" not null,
      revision bigint not null,
      created bigint not null,
      expires bigint,
      label text,
      pusher text not null,
      address text,
      unique (name, revision)
    );
    create index roots_by_expires on roots (expires) where expires is not null;
    create table root_paths (
      root bigint not null references roots on delete cascade,
      path bigint not null references paths,
      primary key (root, path)
    );
    create index root_paths_by_path on root_paths (path);
    ",
    "
    alter table nars rename column condemned to state;
    alter table nars add column claim bigint;
    alter table nars add column lease bigint;
    alter table paths add column claim bigint;
    alter table paths add column lease bigint;
    create index nars_unsettled on nars (state) where state <> 0;
    create index paths_unsettled on paths (state) where state in (1, 3, 4);
    alter table paths add column deriver text;
    create index paths_by_deriver on paths (deriver) where deriver is not null;
    create table deletions (
      id bigint generated always as identity primary key,
      hash text not null,
      path text not null,
      who text not null,
      address text,
      at bigint not null
    );
    create index deletions_by_hash on deletions (hash);
    create table collections (
      id bigint generated always as identity primary key,
      begun bigint not null,
      ended bigint not null,
      paths bigint not null,
      bytes bigint not null
    );
    ",
    "
    create table documents (
      id bigint generated always as identity primary key,
      key text not null unique,
      kind bigint not null,
      owner text not null,
      touched bigint not null,
      claim bigint,
      lease bigint
    );
    create index paths_without_deriver on paths (id) where deriver is null and state <> 0;
    ",
    "
    alter table documents add column built text;
    ",
    "
    create table storages (name text collate \"C\" not null primary key);
    ",
];

/// Brings the schema up to date, unless another server is just doing that; then waits for it.
pub(super) async fn migrate(client: &mut Object, database: &str) -> Result<(), IndexError> {
    let known = i64::try_from(POSTGRES_MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found = apply(client, known).await.map_err(|error| IndexError::Unavailable {
        database: database.to_owned(),
        why: error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string),
    })?;
    if found > known {
        return Err(IndexError::TooNew { database: database.to_owned(), found, known });
    }
    Ok(())
}

/// Returns the names of the storage that the database is the index of.
pub(super) async fn storage_names(client: &Object) -> Result<Vec<String>, tokio_postgres::Error> {
    let rows = client.query(statements::STORAGE_NAMES, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The same: this one, where there was none.
pub(super) async fn claim_for_storage(
    client: &mut Object,
    name: &StorageName,
) -> Result<Vec<String>, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.execute("select pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await?;
    transaction.execute(&sql(statements::CLAIM_FOR_STORAGE), &[&name.as_str()]).await?;
    let rows = transaction.query(statements::STORAGE_NAMES, &[]).await?;
    transaction.commit().await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Returns the version that was found.
async fn apply(client: &mut Object, known: i64) -> Result<i64, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.execute("select pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await?;
    transaction
        .batch_execute("create table if not exists rust_nix_serve_schema (version bigint not null)")
        .await?;
    let row = transaction
        .query_one("select coalesce(max(version), 0) from rust_nix_serve_schema", &[])
        .await?;
    let found: i64 = row.get(0);
    if found < known {
        for migration in POSTGRES_MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
            transaction.batch_execute(migration).await?;
        }
        transaction
            .execute("insert into rust_nix_serve_schema (version) values ($1)", &[&known])
            .await?;
    }
    transaction.commit().await?;
    Ok(found)
}
