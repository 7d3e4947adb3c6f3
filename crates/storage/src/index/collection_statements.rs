//! Statements of collection, which both databases understand. `{these}` are the rows that are meant, as `= ?1` in SQLite and
//! `= any(?1)` in PostgreSQL; `{now}` is the clock of the database, so that servers need not agree on the time of a lease.

use super::statements::NAR_STATE;

/// A hash, where none is known.
pub(super) const NO_HASH: [u8; 32] = [0; 32];

/// The question for the state of a path, and the state that it has while it is being removed.
pub(super) const PATH_REMOVAL: (&str, i64) =
    ("select state from paths where hash = ?1 and state <> 0", 4);

/// The same for a NAR.
pub(super) const NAR_REMOVAL: (&str, i64) = (NAR_STATE, 2);

/// Nothing visible, or about to be, refers to the path.
macro_rules! unneeded {
    ($states:literal) => {
        concat!(
            " and not exists (select 1 from refs e join paths q on q.id = e.referrer ",
            "where e.reference = paths.id and q.state in ",
            $states,
            ")"
        )
    };
}

/// No root names the path. One that has expired keeps nothing.
macro_rules! unrooted {
    () => {
        concat!(
            "not exists (select 1 from root_paths r join roots o on o.id = r.root ",
            "where r.path = paths.id and (o.expires is null or o.expires > {now}))"
        )
    };
}

/// No path has the NAR.
macro_rules! unused {
    () => {
        " and not exists (select 1 from paths p where p.nar = nars.id)"
    };
}

/// A claim begins: on rows that no claim holds, that this claim holds already, or whose claim has ended.
macro_rules! claimable {
    ($condemned:literal, $deleting:literal, $claim:literal) => {
        concat!(
            " and (state ",
            $condemned,
            " or (state = ",
            $deleting,
            " and (claim = ",
            $claim,
            " or lease <= {now})))"
        )
    };
}

pub(super) const CONDEMN_PATHS: &str = concat!(
    "update paths set state = 3 where id {these} and state = 2 and touched <= ?2 and used <= ?3",
    unneeded!("(1, 2)"),
    " and ",
    unrooted!(),
    " returning id"
);

/// A path whose referrer is still visible stays, also where the referrer is about to go: clients may be reading it.
pub(super) const CLAIM_PATHS: &str = concat!(
    "update paths set state = 4, claim = ?4, lease = {now} + ?5 where id {these} and touched <= ?2 and used <= ?3",
    claimable!("= 3", "4", "?4"),
    unneeded!("(1, 2, 3, 4)"),
    " and ",
    unrooted!(),
    " returning id, hash, file_size"
);

/// The same for one path by an order: neither age nor use count, nor roots where it says so.
pub(super) const CLAIM_PATH: &str = concat!(
    "update paths set state = 4, claim = ?2, lease = {now} + ?3 where hash = ?1",
    claimable!("in (1, 2, 3)", "4", "?2"),
    unneeded!("(1, 2, 3, 4)"),
    " and (cast(?4 as bigint) = 1 or ",
    unrooted!(),
    ")",
    " returning id, hash, file_size"
);

/// The same where another claim has ended.
pub(super) const CLAIM_ENDED: &str = concat!(
    "update paths set state = 4, claim = ?2, lease = {now} + ?3 where hash = ?1 and state = 4",
    " and (claim = ?2 or lease <= {now})",
    unneeded!("(1, 2, 3, 4)"),
    " returning id, hash, file_size"
);

/// A publication that was cut off: no narinfo of it is visible, and nothing refers to it.
pub(super) const CLAIM_STALE: &str = "\
    update paths set state = 4, claim = ?2, lease = {now} + ?3 \
    where hash = ?1 and state = 1 and touched <= ?4 returning id, hash, file_size";

pub(super) const HOLDS_PATH: &str =
    "select 1 from paths where id = ?1 and state = 4 and claim = ?2";

pub(super) const HOLDS_NAR: &str = "select 1 from nars where id = ?1 and state = 2 and claim = ?2";

pub(super) const NOTE_NAR_READ: &str = "\
    update paths set used = ?2 where used < ?2 and nar = (select id from nars where key = ?1)";

/// A NAR that arrives has no length yet: it is counted again, with those after it.
pub(super) const STORED_SINCE: &str = "\
    with settled (newest) as (select coalesce( \
      (select min(id) - 1 from nars where id > ?1 and state = 3), \
      (select max(id) from nars where id > ?1), ?1)) \
    select s.newest, \
      cast(coalesce(sum(case when n.id <= s.newest then n.file_size else 0 end), 0) as bigint), \
      cast(coalesce(sum(n.file_size), 0) as bigint) \
    from settled s left join nars n on n.id > ?1 group by s.newest";

pub(super) const NOTE_COLLECTION: &str =
    "insert into collections (begun, ended, paths, bytes) values (?1, ?2, ?3, ?4)";

/// A month of collections, one each hour.
pub(super) const FORGET_COLLECTIONS: &str =
    "delete from collections where id <= (select max(id) from collections) - 1000";

pub(super) const LAST_COLLECTION: &str =
    "select begun, ended, paths, bytes from collections order by id desc limit 1";

pub(super) const NOTE_DELETION: &str = "\
    insert into deletions (hash, path, who, address, at) \
    select hash, path, ?2, ?3, ?4 from paths where hash = ?1";

pub(super) const DELETIONS: &str =
    "select who, address, at from deletions where hash = ?1 order by id desc limit 1000";

pub(super) const ROOTS_NAMING: &str = "\
    select distinct o.name from paths p join root_paths r on r.path = p.id join roots o on o.id = r.root \
    where p.hash = ?1 and (o.expires is null or o.expires > {now}) order by o.name limit ?2";

/// The paths of roots that have not expired: root and path.
pub(super) const SNAPSHOT_ROOTED: &str = "\
    select r.root, r.path from root_paths r join roots o on o.id = r.root \
    where (r.root, r.path) > (?1, ?2) and (o.expires is null or o.expires > {now}) \
    order by r.root, r.path limit ?3";

/// The names of roots that have not expired.
pub(super) const SNAPSHOT_ROOT_NAMES: &str = "\
    select id, name from roots where id > ?1 and (expires is null or expires > {now}) \
    order by id limit ?2";

/// A root that names the path `q`.
macro_rules! a_root {
    () => {
        concat!(
            "(select o.name from root_paths r join roots o on o.id = r.root ",
            "where r.path = q.id and (o.expires is null or o.expires > {now}) limit 1)"
        )
    };
}

pub(super) const PATH_RECORD: &str = concat!(
    "select q.id, q.touched, q.used, q.state, ",
    a_root!(),
    ", q.path, q.published, q.nar_size, q.file_size from paths q where q.hash = ?1 and q.state <> 0"
);

pub(super) const REFERRERS_OF: &str = concat!(
    "select q.id, q.touched, q.used, q.state, ",
    a_root!(),
    ", e.reference from refs e join paths q on q.id = e.referrer ",
    "where e.reference {these} and q.state in (1, 2, 3) limit ?2"
);

pub(super) const REFERENCES_OF: &str =
    "select referrer, reference from refs where referrer {these}";

pub(super) const REFERRERS: &str = "\
    select q.path from paths p join refs e on e.reference = p.id join paths q on q.id = e.referrer \
    where p.hash = ?1 and q.state in (1, 2, 3) order by q.path limit ?2";

/// The claim ends now. The row stays as it is: another claim may have removed the object before.
pub(super) const GIVE_BACK_PATHS: &str = "\
    update paths set lease = {now} where id {these} and state = 4 and claim = ?2";

pub(super) const END_PATHS: &str = "\
    update paths set state = 0, nar = null, claim = null, lease = null \
    where id {these} and state = 4 and claim = ?2 returning id";

pub(super) const REMOVE_EDGES: &str = "delete from refs where referrer {these} returning reference";

/// A path that others refer to, or a root names, is remembered.
pub(super) const REMOVE_PATHS: &str = "\
    delete from paths where id {these} and state = 0 \
    and not exists (select 1 from refs e where e.reference = paths.id) \
    and not exists (select 1 from root_paths r where r.path = paths.id)";

pub(super) const REVIVE_PATHS: &str = "update paths set state = 2 where id {these} and state = 3";

/// A NAR that never arrived stays so: condemned ones count as there.
pub(super) const CONDEMN_NARS: &str = concat!(
    "update nars set state = case when state = 3 then 3 else 1 end ",
    "where id {these} and state in (0, 3) and touched <= ?2",
    unused!(),
    " returning id"
);

pub(super) const CLAIM_NARS: &str = concat!(
    "update nars set state = 2, claim = ?3, lease = {now} + ?4 where id {these} and touched <= ?2",
    claimable!("in (1, 3)", "2", "?3"),
    unused!(),
    " returning id, key, file_size"
);

pub(super) const CLAIM_NAR: &str = concat!(
    "update nars set state = 2, claim = ?2, lease = {now} + ?3 where key = ?1",
    claimable!("in (0, 1, 3)", "2", "?2"),
    unused!(),
    " returning id, key, file_size"
);

/// An object that the index does not know is claimed by a row, which goes with it.
pub(super) const CLAIM_ORPHAN: &str = "\
    insert into nars (key, file_hash, file_size, nar_hash, nar_size, stored, touched, verified, state, claim, lease) \
    values (?1, ?4, 0, ?4, 0, 0, 0, 0, 2, ?2, {now} + ?3) on conflict (key) do nothing \
    returning id, key, file_size";

pub(super) const GIVE_BACK_NARS: &str = "\
    update nars set lease = {now} where id {these} and state = 2 and claim = ?2";

pub(super) const END_NARS: &str = "delete from nars where id {these} and state = 2 and claim = ?2";

/// The NAR is about to become visible under this name. Not while it is being removed.
pub(super) const BEGIN_NAR: &str = "\
    insert into nars (key, file_hash, file_size, nar_hash, nar_size, stored, touched, verified, state) \
    values (?1, ?3, 0, ?3, 0, ?2, ?2, 0, 3) \
    on conflict (key) do update set claim = null, lease = null, \
      touched = case when nars.touched > excluded.touched then nars.touched else excluded.touched end, \
      state = case when nars.state in (0, 1) then 0 else 3 end \
    where nars.state <> 2 or nars.lease <= {now} returning id";

pub(super) const PATH_NAMES: &str = "select id, path from paths where id {these}";

pub(super) const SNAPSHOT_PATHS: &str = "\
    select id, state, nar, published, touched, used from paths where id > ?1 order by id limit ?2";

pub(super) const SNAPSHOT_EDGES: &str = "\
    select referrer, reference from refs where (referrer, reference) > (?1, ?2) \
    order by referrer, reference limit ?3";

pub(super) const SNAPSHOT_NARS: &str = "\
    select id, state, touched, file_size from nars where id > ?1 order by id limit ?2";

/// Publications that were begun, and touched at or before this time.
pub(super) const STALE_PUBLICATIONS: &str = "\
    select hash from paths where state = 1 and touched <= ?1 order by touched limit ?2";
