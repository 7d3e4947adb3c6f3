//! Orders as the redo log holds them: one line of JSON each.

use std::borrow::Cow;

use rns_cache::Pusher;
use rns_formats::{HashPart, Sha256Digest, StorePath};
use serde::{Deserialize, Serialize};

use crate::{
    index::{IndexedNar, NewPath},
    objects::ObjectKey,
};

/// An order, and when it was carried out.
#[derive(Serialize, Deserialize)]
pub(super) struct OrderRecord<'a> {
    /// Seconds since 1970.
    pub(super) at: i64,
    #[serde(borrow)]
    pub(super) order: RecordedOrder<'a>,
}

/// The orders of [`super::orders`]. Another one needs a migration of the schema: an older program must not open the index,
/// since it would leave that order out.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordedOrder<'a> {
    #[serde(borrow)]
    PutNar(RecordedNar<'a>),
    EnterNewNar(RecordedNar<'a>),
    BeginPublish(RecordedPath<'a>),
    EndPublish(Cow<'a, str>, Option<RecordedPusher<'a>>),
}

#[derive(Serialize, Deserialize)]
pub(super) struct RecordedNar<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    file_hash: Cow<'a, str>,
    file_size: u64,
    nar_hash: Cow<'a, str>,
    nar_size: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RecordedPath<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    nar: Cow<'a, str>,
    nar_size: u64,
    file_size: u64,
    references: Vec<Cow<'a, str>>,
    deriver: Option<Cow<'a, str>>,
    elsewhere: Vec<String>,
    pusher: Option<RecordedPusher<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RecordedPusher<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    address: Option<Cow<'a, str>>,
}

impl<'a> RecordedOrder<'a> {
    pub(super) fn put_nar(key: &'a ObjectKey, nar: &IndexedNar) -> Self {
        Self::PutNar(RecordedNar::of(key, nar))
    }

    pub(super) fn enter_new_nar(key: &'a ObjectKey, nar: &IndexedNar) -> Self {
        Self::EnterNewNar(RecordedNar::of(key, nar))
    }

    pub(super) fn begin_publish(path: &'a NewPath, pusher: Option<&'a Pusher>) -> Self {
        let text = |path: &'a StorePath| Cow::Borrowed(path.as_str());
        Self::BeginPublish(RecordedPath {
            path: text(&path.path),
            nar: path.nar.as_str().into(),
            nar_size: path.nar_size,
            file_size: path.file_size,
            references: path.references.iter().map(text).collect(),
            deriver: path.deriver.as_ref().map(text),
            elsewhere: path.elsewhere.iter().map(ToString::to_string).collect(),
            pusher: pusher.map(RecordedPusher::of),
        })
    }

    pub(super) fn end_publish(hash: &HashPart, pusher: Option<&'a Pusher>) -> Self {
        Self::EndPublish(hash.to_string().into(), pusher.map(RecordedPusher::of))
    }
}

impl<'a> RecordedNar<'a> {
    fn of(key: &'a ObjectKey, nar: &IndexedNar) -> Self {
        Self {
            key: key.as_str().into(),
            file_hash: nar.file_hash.to_nix32().into(),
            file_size: nar.file_size,
            nar_hash: nar.nar_hash.to_nix32().into(),
            nar_size: nar.nar_size,
        }
    }

    /// `None`: this version does not understand it.
    pub(super) fn parse(self) -> Option<(ObjectKey, IndexedNar)> {
        let nar = IndexedNar {
            file_hash: Sha256Digest::parse_nix32(&self.file_hash).ok()?,
            file_size: self.file_size,
            nar_hash: Sha256Digest::parse_nix32(&self.nar_hash).ok()?,
            nar_size: self.nar_size,
        };
        Some((ObjectKey::listed(&self.key), nar))
    }
}

impl RecordedPath<'_> {
    /// `None`: this version does not understand it.
    pub(super) fn parse(self) -> Option<(NewPath, Option<Pusher>)> {
        let path = |text: &Cow<'_, str>| StorePath::parse(text).ok();
        let deriver = match &self.deriver {
            Some(deriver) => Some(path(deriver)?),
            None => None,
        };
        let elsewhere = self.elsewhere.iter().map(|hash| HashPart::parse(hash).ok());
        let path = NewPath {
            path: path(&self.path)?,
            nar: ObjectKey::listed(&self.nar),
            nar_size: self.nar_size,
            file_size: self.file_size,
            references: self.references.iter().map(path).collect::<Option<_>>()?,
            deriver,
            elsewhere: elsewhere.collect::<Option<_>>()?,
        };
        Some((path, self.pusher.map(RecordedPusher::parse)))
    }
}

impl<'a> RecordedPusher<'a> {
    fn of(pusher: &'a Pusher) -> Self {
        let Pusher { name, address } = pusher;
        Self { name: name.into(), address: address.as_deref().map(Into::into) }
    }

    pub(super) fn parse(self) -> Pusher {
        Pusher { name: self.name.into_owned(), address: self.address.map(Cow::into_owned) }
    }
}
