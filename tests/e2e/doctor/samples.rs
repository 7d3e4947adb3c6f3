//! The path that a cache is tried with, on machines that know none of its paths.

use rns_testing::{S3Server, Standard};

use super::{Diagnosis, Doctor, proxies::WrongFront};
use crate::{
    support::{
        PUBLIC_KEY, SECRET_KEY, full, is_installed, private::Private, serve, server, write_key,
    },
    uploads::Pushable,
};

/// A look by a machine whose own store has nothing that a cache has.
fn fresh(url: &str) -> Doctor {
    let doctor = Doctor::of(url).args(["--key", PUBLIC_KEY]);
    let root = doctor.scratch.join("fresh");
    std::fs::create_dir_all(root.join("nix/store")).unwrap();
    std::fs::write(root.join("nix/store/00000000000000000000000000000001-own"), "").unwrap();
    doctor.store(&root)
}

/// The facts of a check that found nothing wrong.
fn seen<'a>(diagnosis: &'a Diagnosis, check: &str) -> &'a str {
    let sound = diagnosis.json["sound"].as_array().unwrap();
    let found = sound.iter().find(|one| one["check"] == check);
    found.unwrap_or_else(|| panic!("{check} saw nothing: {:#}", diagnosis.json))["seen"]
        .as_str()
        .unwrap()
}

#[test]
fn a_cache_that_offers_a_path() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let diagnosis = fresh(server.url()).run();
    diagnosis.is_silent();
    for check in ["path", "signature", "head", "nar", "ranges"] {
        seen(&diagnosis, check);
    }
}

#[test]
fn a_private_cache_that_offers_one_to_its_readers() {
    let private = Private::new();
    let doctor = fresh(private.server.url());
    let netrc = doctor.scratch.join("netrc");
    write_key(&netrc, &format!("machine 127.0.0.1 login ci password {}\n", private.token));
    let diagnosis = doctor.run();
    diagnosis.is_silent();
    seen(&diagnosis, "nar");
}

#[test]
fn what_was_pushed_into_a_directory_or_a_bucket() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    cache.push(&standard, &standard.executable);
    let diagnosis = fresh(cache.server.url()).run();
    diagnosis.is_silent();
    assert!(seen(&diagnosis, "path").contains(standard.executable.as_str()));
    let Some(s3) = S3Server::start() else { return };
    let builder = server()
        .keys([SECRET_KEY])
        .store_flag("enabled", false)
        .section(&format!("[storage]\nurl = {:?}", s3.url()))
        .env("AWS_SHARED_CREDENTIALS_FILE", s3.credentials_file().to_str().unwrap());
    let tokens = builder.scratch().join("tokens");
    let token = crate::support::private::create(&tokens, "ci", &["--allow", "push"]);
    // Else it would be that of the machine.
    let index = tokens.with_file_name("index.sqlite");
    let access = format!(
        "[access]\ntokens = {tokens:?}\nanonymous = [\"read\"]\n[index]\nurl = \"sqlite://{}\"",
        index.display()
    );
    let server = builder.section(&access).start();
    super::healthy::push(&standard, server.url(), &token);
    let diagnosis = fresh(server.url()).run();
    diagnosis.is_silent();
    seen(&diagnosis, "nar");
}

/// That nothing is wrong, and that a path is asked for.
#[track_caller]
fn assert_asks_for_a_path(diagnosis: &Diagnosis) {
    assert_eq!((diagnosis.ids(), diagnosis.code), (vec![], 0), "{:#}", diagnosis.json);
    let hint = &diagnosis.json["hints"][0];
    assert_eq!(hint["check"], "path", "{:#}", diagnosis.json);
    assert!(hint["mend"].as_str().unwrap().contains("--path STOREPATH"), "{hint}");
}

#[test]
fn an_empty_cache_is_healthy() {
    assert_asks_for_a_path(&fresh(Pushable::new().server.url()).run());
}

#[test]
fn a_cache_of_another_program_is_healthy_and_can_be_given_a_path() {
    if !is_installed("nginx") {
        return;
    }
    let standard = Standard::new();
    let server = serve(&standard.store);
    let location = "location /api/ { return 404; }";
    let front = WrongFront::start(server.address(), location);
    assert_asks_for_a_path(&fresh(&front.url).run());
    let path = full(&standard.executable);
    fresh(&front.url).args(["--path", &path]).run().is_silent();
    // One that shows a page for every request.
    let location = "location /api/ { return 200 \"<html>{\\\"path\\\":1}</html>\"; }";
    let front = WrongFront::start(server.address(), location);
    assert_asks_for_a_path(&fresh(&front.url).run());
}

#[test]
fn a_path_that_the_user_names_and_that_is_not_there() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let path = "/nix/store/00000000000000000000000000000001-nowhere";
    let diagnosis = fresh(server.url()).args(["--path", path]).run();
    assert_eq!((diagnosis.ids(), diagnosis.code), (vec![], 4), "{:#}", diagnosis.json);
    let unchecked = diagnosis.json["unchecked"][0]["why"].as_str().unwrap();
    assert!(unchecked.contains("--path"), "{unchecked}");
}
