//! URLs: nothing that is named can lead out of its place, and escapes change no meaning.

use std::fmt::Write as _;

use rns_formats::Resource;
use rns_formats::url::parse;

pub(crate) fn run(data: &[u8]) {
    let Ok(url) = str::from_utf8(data) else { return };
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url, None),
    };
    let resource = parse(path, query);
    assert_eq!(parse(&path.replace('/', "//"), query), resource, "a second slash matters");
    assert_eq!(parse(&escaped(path), query), resource, "escapes matter");
    let Some(resource) = resource else { return };
    match &resource {
        Resource::Nar(name) => {
            let canonical = format!("/{}", name.canonical_url());
            assert_eq!(parse(&canonical, None), Some(resource));
        }
        Resource::Log(name) => {
            assert!(name.candidates().count() > 0 || name.hash_part().is_some());
            assert!(name.candidates().all(|drv| drv.is_derivation()));
        }
        Resource::BuildTrace { drv, output } => {
            let canonical = format!("/build-trace-v2/{drv}/{output}.doi");
            assert_eq!(parse(&canonical, None).as_ref(), Some(&resource));
        }
        Resource::Realisation(id) => {
            assert_eq!(parse(&format!("/realisations/{id}.doi"), None).as_ref(), Some(&resource));
        }
        Resource::DebugInfo(id) => {
            assert_eq!(parse(&format!("/debuginfo/{id}.debug"), None), Some(resource));
        }
        Resource::NarInfo { hash, .. } => {
            let canonical = parse(&format!("/{hash}.narinfo"), query);
            assert_eq!(canonical, Some(resource));
        }
        Resource::Listing(hash) => assert_eq!(parse(&format!("/{hash}.ls"), None), Some(resource)),
        Resource::Serve { path, .. } => {
            for name in path.components() {
                assert!(!matches!(name, b"" | b"." | b".."));
                assert!(!name.contains(&b'/') && !name.contains(&0));
            }
        }
        Resource::GcRoot(name) => {
            assert_eq!(parse(&format!("/gcroots/{name}"), None), Some(resource));
        }
        Resource::Root
        | Resource::GcRoots
        | Resource::NoGcRoot(_)
        | Resource::CacheInfo
        | Resource::PublicKeys
        | Resource::CacheConfig
        | Resource::SamplePath
        | Resource::Version
        | Resource::Healthz
        | Resource::Readyz
        | Resource::MissingPaths
        | Resource::Metrics => {}
    }
}

/// The path with everything escaped that is neither a slash nor part of an escape.
fn escaped(path: &str) -> String {
    let mut escaped = String::new();
    let mut rest = path.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match (byte, behind) {
            (b'/', _) => escaped.push('/'),
            (b'%', [high, low, behind @ ..]) => {
                escaped.extend(['%', char::from(*high), char::from(*low)]);
                rest = behind;
            }
            (b'%', _) => escaped.push('%'),
            (byte, _) => write!(escaped, "%{byte:02x}").expect("a string takes everything"),
        }
    }
    escaped
}
