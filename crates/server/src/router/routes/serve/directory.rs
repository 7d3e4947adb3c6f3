//! Directories inside store paths: a list of links.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use bytes::Bytes;
use maud::{DOCTYPE, html};
use rns_cache::{DirectoryEntry, EntryKind, ServedDirectory};
use rns_formats::{HashPart, url::ServePath};

use crate::response::{self, Answer, Caching, Entity, body::Body};

/// Sends the visitor to the same directory with a slash at the end.
pub(super) fn with_slash(hash: HashPart, path: &ServePath) -> Answer {
    // Relative to the directory above, so that it is right below any prefix of a proxy.
    let last = path.components().next_back().map_or_else(|| hash.to_string(), escape);
    let mut answer = response::plain(StatusCode::PERMANENT_REDIRECT, "it is a directory\n");
    match HeaderValue::try_from(format!("{last}/")) {
        Ok(location) => answer.headers_mut().insert(header::LOCATION, location),
        Err(_) => return HttpResponse::with_body(StatusCode::NOT_FOUND, Body::Bytes(Bytes::new())),
    };
    answer
}

/// The page that lists a directory.
pub(super) fn list(request: &HttpRequest, directory: &ServedDirectory, path: &ServePath) -> Answer {
    let place = format!("{}/{}", directory.path, String::from_utf8_lossy(path.as_bytes()));
    let place = place.trim_end_matches('/');
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (place) }
                style { "body{font-family:ui-monospace,monospace;margin:1rem;line-height:1.5}td:last-child{text-align:right;padding-left:2rem}" }
            }
            body {
                h1 style="font-size:1rem;overflow-wrap:anywhere" { (place) }
                table {
                    @if !path.is_empty() { tr { td { a href="../" { "../" } } td {} } }
                    @for entry in &directory.entries {
                        tr {
                            td { a href=(format!("./{}", link(entry))) { (shown(entry)) } }
                            td { @if let EntryKind::File { .. } = entry.kind { (entry.size) } }
                        }
                    }
                }
                @if directory.truncated { p { "There are more entries than are listed here." } }
            }
        }
    };
    Entity::new("text/html; charset=utf-8", Caching::Hour)
        .with_etag(response::etag(&directory.etag))
        .answer_bytes(request.headers(), Bytes::from(page.into_string()))
}

fn link(entry: &DirectoryEntry) -> String {
    let slash = if entry.kind == EntryKind::Directory { "/" } else { "" };
    escape(&entry.name) + slash
}

fn shown(entry: &DirectoryEntry) -> String {
    let mark = match entry.kind {
        EntryKind::Directory => "/",
        EntryKind::File { executable: true } => "*",
        EntryKind::File { executable: false } => "",
        EntryKind::Symlink => "@",
    };
    format!("{}{mark}", String::from_utf8_lossy(&entry.name))
}

/// A name as one segment of a URL.
fn escape(name: &[u8]) -> String {
    use std::fmt::Write as _;
    name.iter().fold(String::with_capacity(name.len()), |mut text, &byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~+=,@".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_segments_whatever_they_are() {
        assert_eq!(escape(b"a b"), "a%20b");
        assert_eq!(escape(b"\xff<script>"), "%FF%3Cscript%3E");
        assert_eq!(escape("\u{e9}?#%".as_bytes()), "%C3%A9%3F%23%25");
    }
}
