//! Which servers compress without being told to.

use rns_testing::{Scratch, Standard};

use crate::support::{field, narinfo_of, server};

#[test]
fn nars_are_compressed_where_systemd_gives_the_server_a_cache_directory() {
    let (standard, scratch) = (Standard::new(), Scratch::new());
    let compression_of = |directory: Option<&str>, section: &str| {
        let mut server = server().store(&standard.store).section(section);
        if let Some(directory) = directory {
            server = server.env("CACHE_DIRECTORY", directory);
        }
        let server = server.start();
        let narinfo = server.get(&narinfo_of(&standard.tree));
        let nar = server.get(&format!("/{}", field(&narinfo, "URL").unwrap()));
        assert_eq!(nar.head.content_length(), Some(nar.ok().len() as u64));
        field(&narinfo, "Compression").unwrap().to_owned()
    };
    let directory = scratch.join("nars");
    let given = Some(directory.to_str().unwrap());
    assert_eq!(compression_of(given, ""), "zstd");
    assert!(directory.read_dir().unwrap().next().is_some(), "nothing was kept");
    assert_eq!(compression_of(given, "[nar_cache]\ncompression = \"none\""), "none");
    assert_eq!(compression_of(None, ""), "none");
}
