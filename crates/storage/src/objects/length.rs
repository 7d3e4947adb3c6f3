//! A stream that must have a certain length: a server, or a proxy before it, may end an answer early without saying so.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use object_store::Error;

/// The same chunks, followed by an error unless they have so many bytes together.
pub(super) fn of_length(
    chunks: impl Stream<Item = Result<Bytes, Error>> + Send + Unpin,
    length: u64,
) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    stream::try_unfold((chunks, length), |(mut chunks, left)| async move {
        match chunks.next().await {
            Some(chunk) => {
                let chunk = chunk?;
                let left = left.checked_sub(chunk.len() as u64);
                let left =
                    left.ok_or_else(|| wrong_length("it is longer than it was said to be"))?;
                Ok(Some((chunk, (chunks, left))))
            }
            None if left == 0 => Ok(None),
            None => Err(wrong_length("it ends early")),
        }
    })
}

fn wrong_length(why: &str) -> Error {
    Error::Generic {
        store: "length",
        source: Box::new(io::Error::new(io::ErrorKind::UnexpectedEof, why)),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_ends_early_is_no_short_object() {
        for (length, is_right) in [(5, true), (6, false), (4, false)] {
            let chunks = [&b"abc"[..], b"de"].map(|chunk| Ok(Bytes::from_static(chunk)));
            let read: Result<Vec<_>, _> =
                of_length(stream::iter(chunks), length).try_collect().await;
            assert_eq!(read.is_ok(), is_right, "{length}");
        }
    }
}
