//! Answers that Nix itself remembers, in files that a real Nix wrote.

use rns_formats::Compression;
use rns_testing::{Nix, Proxy, Standard, Tree};

use super::{Diagnosis, Doctor};
use crate::{
    support::{PUBLIC_KEY, SECRET_KEY, full, serve, server},
    uploads::{Pushable, packed},
};

/// A look at a cache by the user of this client.
fn look(client: &rns_testing::Client, url: &str, path: &str) -> Diagnosis {
    let doctor = Doctor::of(url).env("XDG_CACHE_HOME", client.scratch().join("cache"));
    doctor.args(["--path", path, "--key", PUBLIC_KEY]).run()
}

#[test]
fn a_path_that_nix_takes_for_missing() {
    let Some(nix) = Nix::v2_34() else { return };
    let mut standard = Standard::new();
    let server = serve(&standard.store);
    let client = nix.client();
    let known = standard.executable.as_str().to_owned();
    let entry = || rns_testing::Entry::new("late", Tree::file("late"));
    let path = standard.store.path_info_for(&entry()).path;
    let ask = ["path-info", "--store", server.url(), &full(&path)];
    client.nix_command(ask).failure();
    look(&client, server.url(), &known).is_silent();
    standard.store.insert(entry());
    let diagnosis = look(&client, server.url(), &known);
    diagnosis.names(&["disk-cache-negative"]);
    // The line does it.
    client.nix_command(ask).failure();
    diagnosis.mend_in_shell(None);
    client.nix_command(ask).success();
    look(&client, server.url(), &known).is_silent();
}

#[test]
fn a_path_that_nix_remembers_unsigned() {
    let Some(nix) = Nix::v2_34() else { return };
    let standard = Standard::new();
    let client = nix.client();
    let path = &standard.executable;
    let unsigned = server().store(&standard.store).start();
    let address = unsigned.address();
    let url = unsigned.url().to_owned();
    client.nix_command(["path-info", "--store", &url, &full(path)]).success();
    drop(unsigned);
    let listen = address.to_string();
    let signed =
        server().store(&standard.store).keys([SECRET_KEY]).listen([listen.as_str()]).start();
    assert_eq!(signed.url(), url);
    let diagnosis = look(&client, &url, path.as_str());
    diagnosis.names(&["disk-cache-unsigned"]);
    // It is a real fault.
    let client = client.substituting_from(&url, PUBLIC_KEY);
    client.realise([full(path)]).failure();
    // Another address of the same cache is remembered for itself.
    let proxy = Proxy::recording(address);
    look(&client, &proxy.url(), path.as_str()).is_silent();
    diagnosis.mend_in_shell(None);
    look(&client, &url, path.as_str()).is_silent();
    client.realise([full(path)]).success();
}

#[test]
fn a_nar_that_nix_looks_for_where_it_was() {
    let Some(nix) = Nix::v2_34() else { return };
    let (standard, client) = (Standard::new(), nix.client());
    let path = &standard.executable;
    let first = Pushable::new();
    let remembered = first.push(&standard, path);
    let (address, url) = (first.server.address().to_string(), first.server.url().to_owned());
    client.nix_command(["path-info", "--store", &url, &full(path)]).success();
    look(&client, &url, path.as_str()).is_silent();
    drop(first);
    // A path that was collected is no fault.
    let emptied = Pushable::with(|builder| builder.listen([address.as_str()]));
    emptied.push(&standard, &standard.link);
    look(&client, &url, standard.link.as_str()).is_silent();
    drop(emptied);
    // The same cache was made anew, with another compression.
    let second = Pushable::with(|builder| builder.listen([address.as_str()]));
    let (narinfo, file) =
        packed(standard.store.info(path), &standard.store.nar(path), Compression::None);
    assert_ne!(narinfo.url, remembered.url);
    assert_eq!(second.put(&format!("/{}", narinfo.url), file).status(), 201);
    assert_eq!(second.put_narinfo(&narinfo).status(), 201);
    let diagnosis = look(&client, &url, path.as_str());
    diagnosis.names(&["disk-cache-moved"]);
    // It is a real fault, and the line mends it.
    let copy = ["copy", "--no-check-sigs", "--from", &url, &full(path)];
    client.nix_command(copy).failure();
    diagnosis.mend_in_shell(None);
    client.nix_command(copy).success();
    look(&client, &url, path.as_str()).is_silent();
}
