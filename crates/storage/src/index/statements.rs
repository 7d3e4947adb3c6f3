//! Statements that both databases understand. Parameters are written as SQLite has them; PostgreSQL gets `$1` for `?1`.

pub(super) const VERIFIED_NAR: &str = "\
    select file_hash, file_size, nar_hash, nar_size from nars \
    where key = ?1 and state in (0, 1) and verified = 1";

/// A NAR that was condemned and is stored again lives again.
pub(super) const PUT_NAR: &str = "\
    insert into nars (key, file_hash, file_size, nar_hash, nar_size, stored, touched, verified) \
    values (?1, ?2, ?3, ?4, ?5, ?6, ?6, 1) \
    on conflict (key) do update set file_hash = excluded.file_hash, file_size = excluded.file_size, \
      nar_hash = excluded.nar_hash, nar_size = excluded.nar_size, state = 0, verified = 1, claim = null, lease = null, \
      touched = case when nars.touched > excluded.touched then nars.touched else excluded.touched end";

/// The same for a NAR that the index does not know. A known NAR stays as it is.
pub(super) const PUT_NEW_NAR: &str = "\
    insert into nars (key, file_hash, file_size, nar_hash, nar_size, stored, touched, verified) \
    values (?1, ?2, ?3, ?4, ?5, ?6, ?6, 1) on conflict (key) do nothing";

/// Enters the NAR of a narinfo that lay there. A known NAR stays as it is. One that is being removed is not entered.
pub(super) const IMPORT_NAR: &str = "\
    insert into nars (key, file_hash, file_size, nar_hash, nar_size, stored, touched, verified) \
    values (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0) on conflict (key) do update set state = 0, \
      touched = case when nars.touched > excluded.touched then nars.touched else excluded.touched end \
    where nars.state <> 2";

pub(super) const TOUCH_NAR: &str = "\
    update nars set state = 0, touched = case when touched > ?2 then touched else ?2 end \
    where key = ?1 and state in (0, 1)";

/// Whether [`TOUCH_NAR`] would change nothing: what many paths need is touched many times a second.
pub(super) const IS_NAR_TOUCHED: &str =
    "select 1 from nars where key = ?1 and state = 0 and touched >= ?2";

pub(super) const NAR_STATE: &str = "select state from nars where key = ?1";

pub(super) const TOUCH_PATH: &str = "\
    update paths set state = 2, touched = case when touched > ?2 then touched else ?2 end \
    where hash = ?1 and state in (2, 3)";

/// The same for a reference, which is meant with its name.
pub(super) const TOUCH_REFERENCE: &str = "\
    update paths set state = 2, touched = case when touched > ?2 then touched else ?2 end \
    where hash = ?1 and state in (2, 3) and path = ?3";

/// Whether [`TOUCH_REFERENCE`] would change nothing.
pub(super) const IS_REFERENCE_TOUCHED: &str =
    "select 1 from paths where hash = ?1 and state = 2 and touched >= ?2 and path = ?3";

/// The row of a path that is about to be published.
pub(super) const PUBLICATION: &str = "\
    select p.state, n.key, p.touched from paths p left join nars n on n.id = p.nar where p.hash = ?1";

/// A path that is published already stays as it is, and keeps its times.
pub(super) const ENTER_PATH: &str = "\
    insert into paths (hash, path, state, nar, nar_size, file_size, published, touched, used, deriver) \
    values (?1, ?2, ?3, (select id from nars where key = ?4), ?5, ?6, ?7, ?7, 0, ?8) \
    on conflict (hash) do update set path = case when paths.state in (2, 3) then paths.path else excluded.path end, \
      nar = case when paths.state in (2, 3) then paths.nar else excluded.nar end, \
      nar_size = excluded.nar_size, file_size = excluded.file_size, deriver = excluded.deriver, \
      published = case when paths.state in (2, 3) then paths.published else excluded.published end, \
      state = case when paths.state in (2, 3) then 2 else excluded.state end, \
      touched = case when paths.touched > excluded.touched then paths.touched else excluded.touched end \
    returning id";

/// The same for a path that the index does not know. A known path stays as it is.
pub(super) const ENTER_NEW_PATH: &str = "\
    insert into paths (hash, path, state, nar, nar_size, file_size, published, touched, used, deriver) \
    values (?1, ?2, ?3, (select id from nars where key = ?4), ?5, ?6, ?7, ?7, 0, ?8) \
    on conflict (hash) do nothing";

pub(super) const FORGET_EDGES: &str = "delete from refs where referrer = ?1";

pub(super) const END_PUBLISH: &str =
    "update paths set state = 2 where hash = ?1 and state in (1, 2, 3)";

pub(super) const NOTE_PUSH: &str = "\
    insert into pushes (hash, path, pusher, address, at, pending) \
    select hash, path, ?2, ?3, ?4, ?5 from paths where hash = ?1";

/// The same where the path is known.
pub(super) const NOTE_PUSH_OF: &str = "\
    insert into pushes (hash, path, pusher, address, at, pending) values (?1, ?6, ?2, ?3, ?4, ?5)";

/// A publication that was cut off before it was seen to end is replaced by the next one.
pub(super) const FORGET_PENDING: &str = "delete from pushes where hash = ?1 and pending = 1";

/// The narinfo of a publication that was cut off is visible.
pub(super) const CONFIRM_PENDING: &str =
    "update pushes set pending = 0 where hash = ?1 and pending = 1";

pub(super) const PUSHES: &str = "\
    select pusher, address, at, pending from pushes where hash = ?1 order by id desc limit 1000";

pub(super) const PUBLISHED_AFTER: &str = "\
    select p.hash, n.key from paths p join nars n on n.id = p.nar \
    where p.state in (2, 3) and p.hash > ?1 order by p.hash limit ?2";

/// A path that something refers to, or a root names, and that is not here.
pub(super) const PLACEHOLDER: &str =
    "insert into paths (hash, path, state) values (?1, ?2, 0) on conflict (hash) do nothing";

/// A revision that is there already is set again.
pub(super) const ENTER_ROOT: &str = "\
    insert into roots (name, revision, created, expires, label, pusher, address) \
    values (?1, ?2, ?3, ?4, ?5, ?6, ?7) on conflict (name, revision) do update set \
      created = excluded.created, expires = excluded.expires, label = excluded.label, \
      pusher = excluded.pusher, address = excluded.address \
    returning id";

/// The paths of a revision that is set again are entered anew.
pub(super) const FORGET_ROOT_PATHS: &str = "delete from root_paths where root = ?1";

/// Roots that are kept, each with its newest revision.
pub(super) const KEPT_ROOTS: &str = "\
    select r.id, r.revision, r.created, r.expires, r.label, r.pusher, r.address, r.name, \
      (select count(*) from root_paths p where p.root = r.id), \
      (select count(*) from roots o where o.name = r.name and (o.expires is null or o.expires > ?2)) \
    from roots r \
    where r.name > ?1 and (r.expires is null or r.expires > ?2) \
      and not exists (select 1 from roots n where n.name = r.name and n.revision > r.revision \
        and (n.expires is null or n.expires > ?2)) \
    order by r.name limit ?3";

/// The revisions of a root that are kept.
pub(super) const REVISIONS: &str = "\
    select id, revision, created, expires, label, pusher, address from roots \
    where name = ?1 and (expires is null or expires > ?2) order by revision desc";

pub(super) const EXPIRED_ROOTS: &str =
    "select distinct name from roots where expires <= ?1 order by name limit ?2";
/// One that is being published or removed is the business of its publisher or remover.
pub(super) const UNPUBLISH: &str = "\
    update paths set state = 0, nar = null where hash = ?1 and state in (0, 2, 3) returning id";

/// The names of the storage that the index is of.
pub(super) const STORAGE_NAMES: &str = "select name from storages order by name";

/// An index that is of no storage yet is of this one from now on.
pub(super) const CLAIM_FOR_STORAGE: &str = "\
    insert into storages (name) select cast(?1 as text) where not exists (select 1 from storages)";

pub(super) const ADD_STORAGE_NAME: &str =
    "insert into storages (name) values (?1) on conflict (name) do nothing";
