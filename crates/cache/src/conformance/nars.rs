//! NARs, whole and in part.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use rns_formats::{Compression, NarName, Resource, Sha256Digest, url::parse};

use super::subject::{BackendUnderTest, Specimen, nowhere};
use crate::{BinaryCache, Blob, BlobBody, Chunks as _, NarAnswer, NarOffer, ReadyBody};

/// The name at which a record says that the NAR is.
async fn offered(cache: &dyn BinaryCache, specimen: &Specimen) -> (NarName, NarOffer) {
    let record = cache.path_info(specimen.hash()).await;
    let offer = record.unwrap_or_else(|error| panic!("{error}")).expect("it is there").offer;
    let (path, query) = match offer.url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (offer.url.as_str(), None),
    };
    match parse(&format!("/{path}"), query) {
        Some(Resource::Nar(name)) => (name, offer),
        other => panic!("{} is {other:?}", offer.url),
    }
}

async fn finished(answer: NarAnswer) -> Arc<dyn Blob> {
    match answer {
        NarAnswer::Finished(blob) => blob,
        NarAnswer::Growing(growing) => {
            let etag = growing.etag().into_owned();
            let blob = growing.finished().await.unwrap_or_else(|error| panic!("{error}"));
            let blob = blob.expect("it is there");
            assert_eq!(blob.etag(), etag, "a finished NAR has the validator of the growing one");
            blob
        }
    }
}

async fn nar(cache: &dyn BinaryCache, name: &NarName) -> Option<NarAnswer> {
    cache.nar(name).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn read(blob: &dyn Blob, range: Range<u64>) -> Bytes {
    let body = blob.read(range).await.unwrap_or_else(|error| panic!("{error}"));
    match body.expect("it is there") {
        BlobBody::Whole(bytes) => bytes,
        BlobBody::Stream(mut chunks) => {
            let mut bytes = Vec::new();
            while let Some(chunk) = chunks.next_chunk().await {
                let chunk = chunk.unwrap_or_else(|error| panic!("{error}"));
                assert!(!chunk.is_empty(), "no chunk is empty");
                bytes.extend_from_slice(&chunk);
            }
            bytes.into()
        }
    }
}

pub(super) async fn what_is_offered_can_be_had(
    cache: &dyn BinaryCache,
    specimen: &Specimen,
    subject: &dyn BackendUnderTest,
) {
    let (name, offer) = offered(cache, specimen).await;
    let path = &specimen.info.path;
    assert_eq!(name.compression, offer.compression, "{path}");
    let answer = nar(cache, &name).await.expect("an offered NAR is there");
    let streamed = match nar(cache, &name).await {
        Some(NarAnswer::Growing(growing)) => {
            let chunks = growing.stream().await.expect("the stream begins");
            let mut chunks = chunks.expect("the NAR is there");
            let mut bytes = Vec::new();
            while let Some(chunk) = chunks.next_chunk().await {
                bytes.extend_from_slice(&chunk.unwrap_or_else(|error| panic!("{error}")));
            }
            Some(Bytes::from(bytes))
        }
        _ => None,
    };
    let blob = finished(answer).await;
    let file = read(&*blob, 0..blob.len()).await;
    assert_eq!(file.len() as u64, blob.len(), "{path}");
    assert!(streamed.is_none_or(|streamed| streamed == file), "{path}: a stream of the same bytes");
    assert_eq!(blob.read_whole().await.ok().flatten().as_ref(), Some(&file), "{path}");
    if let Some((hash, size)) = offer.file
        && let Ok(hash) = Sha256Digest::try_from(hash)
    {
        assert_eq!((Sha256Digest::of(&file), file.len() as u64), (hash, size), "{path}");
    }
    assert!(subject.unpack(offer.compression, file.clone()) == specimen.nar, "{path}");
    for by_name in [false, true] {
        let Some(ready) = cache.nar_now(&name, by_name) else { continue };
        assert_eq!((&*ready.etag, ready.len), (&*blob.etag(), blob.len()), "{path}");
        match ready.body {
            ReadyBody::Piece(piece) => assert_eq!(piece.left() as u64, blob.len(), "{path}"),
            ReadyBody::FileName(_) => assert!(by_name, "{path}: a name only where it was wanted"),
        }
    }
}

pub(super) async fn every_range_is_a_part_of_the_whole(
    cache: &dyn BinaryCache,
    specimen: &Specimen,
) {
    let (name, _) = offered(cache, specimen).await;
    let blob = finished(nar(cache, &name).await.expect("it is there")).await;
    let len = blob.len();
    let whole = read(&*blob, 0..len).await;
    let ends = [0, 1, 7, 8, 4096, 256 << 10, (256 << 10) + 1, len / 2, len - 1, len];
    for start in ends.into_iter().filter(|start| *start < len) {
        for end in ends.into_iter().filter(|end| start < *end && *end <= len) {
            let index = |at| usize::try_from(at).unwrap_or(usize::MAX);
            let expected = whole.slice(index(start)..index(end));
            let found = read(&*blob, start..end).await;
            assert!(found == expected, "{}: {start}..{end}", specimen.info.path);
        }
    }
}

/// A path that was rebuilt since the client asked has another NAR.
pub(super) async fn a_name_of_another_nar_is_no_name(cache: &dyn BinaryCache, specimen: &Specimen) {
    for compression in [Compression::None, Compression::Xz, Compression::Zstd] {
        let other = NarName::new(specimen.hash(), Sha256Digest::of(b"another"), compression);
        assert!(cache.nar_now(&other, false).is_none());
        assert!(nar(cache, &other).await.is_none());
        let other = NarName::new(nowhere(), specimen.info.nar_hash, compression);
        assert!(cache.nar_now(&other, false).is_none());
        assert!(nar(cache, &other).await.is_none());
    }
}
