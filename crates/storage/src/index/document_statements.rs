//! Statements about documents, which both databases understand, spelt as those of collection; `{c}` is the collation of
//! hash parts.

/// Nothing that the index knows owns the document. A log has an owner also while the derivations of some paths are not known.
macro_rules! ownerless {
    () => {
        concat!(
            "case documents.kind when 1 then ",
            "not exists (select 1 from paths p where p.deriver = documents.owner and p.state <> 0) ",
            "and not exists (select 1 from paths p where p.hash = substr(documents.owner, 1, 32){c} and p.state <> 0) ",
            "and not exists (select 1 from paths p where p.hash = documents.built{c} and p.state <> 0) ",
            "and not exists (select 1 from paths p where p.deriver is null and p.state <> 0) ",
            "when 2 then not exists (select 1 from paths p where p.hash = documents.owner{c}) ",
            "when 3 then not exists (select 1 from nars n where n.key = documents.owner) ",
            "else true end"
        )
    };
}

/// The owner on record stays, unless the object may be gone.
pub(super) const BEGIN_DOCUMENT: &str = "\
    insert into documents (key, kind, owner, touched) values (?1, ?2, ?3, ?4) \
    on conflict (key) do update set \
      kind = case when documents.claim is null then documents.kind else excluded.kind end, \
      owner = case when documents.claim is null then documents.owner else excluded.owner end, \
      touched = case when documents.touched > excluded.touched then documents.touched else excluded.touched end, \
      claim = null, lease = null \
    where documents.claim is null or documents.lease <= {now} returning kind, owner";

pub(super) const SETTLE_DOCUMENT: &str =
    "update documents set kind = ?2, owner = ?3 where key = ?1";

/// A path that is here stays on record: another one of the same build would take its place, and go before it.
pub(super) const NOTE_BUILT: &str = "\
    update documents set built = ?2 where key = ?1 and not exists \
      (select 1 from paths p where p.hash = documents.built{c} and p.state <> 0)";

pub(super) const ENTER_DOCUMENT: &str = "\
    insert into documents (key, kind, owner, touched) values (?1, ?2, ?3, ?4) \
    on conflict (key) do nothing";

pub(super) const DOCUMENTS: &str = concat!(
    "select id, key, touched, cast(case when ",
    ownerless!(),
    " then 0 else 1 end as bigint) from documents where id > ?1 order by id limit ?2"
);

pub(super) const LIST_DOCUMENTS: &str =
    "select id, key, touched from documents where id > ?1 order by id limit ?2";

/// Documents and paths, each kind by its own index.
pub(super) const DOCUMENT_OWNERS: &str = "\
    select d.id, p.id from documents d join paths p on p.deriver = d.owner \
      where d.id between ?1 and ?2 and d.kind = 1 and p.state <> 0 \
    union all select d.id, p.id from documents d join paths p on p.hash = substr(d.owner, 1, 32){c} \
      where d.id between ?1 and ?2 and d.kind = 1 and p.state <> 0 \
    union all select d.id, p.id from documents d join paths p on p.hash = d.built{c} \
      where d.id between ?1 and ?2 and d.kind = 1 and p.state <> 0 \
    union all select d.id, p.id from documents d join paths p on p.hash = d.owner{c} \
      where d.id between ?1 and ?2 and d.kind = 2 \
    union all select d.id, p.id from documents d join nars n on n.key = d.owner \
      left join paths p on p.nar = n.id where d.id between ?1 and ?2 and d.kind = 3";

pub(super) const CLAIM_DOCUMENTS: &str = concat!(
    "update documents set claim = ?3, lease = {now} + ?4 where id {these} and touched <= ?2",
    " and (claim is null or claim = ?3 or lease <= {now}) and ",
    ownerless!(),
    " returning id, key, cast(0 as bigint)"
);

pub(super) const HOLDS_DOCUMENT: &str = "select 1 from documents where id = ?1 and claim = ?2";

/// The claim ends now. The object may be gone, as an earlier claim may have removed it.
pub(super) const GIVE_BACK_DOCUMENTS: &str = "\
    update documents set lease = {now} where id {these} and claim = ?2";

pub(super) const END_DOCUMENTS: &str = "delete from documents where id {these} and claim = ?2";

pub(super) const PATHS_WITHOUT_DERIVER: &str =
    "select hash from paths where deriver is null and state <> 0 limit ?1";

pub(super) const NOTE_DERIVER: &str =
    "update paths set deriver = ?2 where hash = ?1 and deriver is null";
