//! Set-ups that are unusual and healthy, and faults that are easily taken for others; none of which shows a secret.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use rns_formats::{KeyName, SecretKey};
use rns_testing::{S3Server, Standard};

use super::{
    Diagnosis, Doctor,
    proxies::{Mistakes, WrongFront, with_date},
};
use crate::support::{
    PUBLIC_KEY, SECRET_KEY, full, is_installed, narinfo_of,
    private::{create, private},
    serve, server,
    tls::{given, speaking_tls},
    write_key,
};

/// A look at a cache that has the standard store.
fn of(url: &str, standard: &Standard) -> Doctor {
    Doctor::of(url).args(["--path", &full(&standard.executable), "--key", PUBLIC_KEY])
}

/// That nothing is wrong, with or without hints.
#[track_caller]
fn assert_healthy(diagnosis: &Diagnosis) {
    assert_eq!((diagnosis.ids(), diagnosis.code), (vec![], 0), "{:#}", diagnosis.json);
}

/// That this word is nowhere in the report.
#[track_caller]
fn assert_hides(diagnosis: &Diagnosis, secret: &str) {
    let text = diagnosis.json.to_string();
    assert!(!text.contains(secret), "{text}");
}

#[test]
fn ipv6_alone() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let standard = Standard::new();
    let server = server().store(&standard.store).keys([SECRET_KEY]).listen(["[::1]:0"]).start();
    of(server.url(), &standard).run().is_silent();
}

#[test]
fn two_keys_of_which_one_is_trusted() {
    let standard = Standard::new();
    let next = SecretKey::from_seed(KeyName::parse("next-1").unwrap(), &[7; 32]);
    let secret = next.to_secret_string();
    let server = server().store(&standard.store).keys([SECRET_KEY, secret.as_str()]).start();
    of(server.url(), &standard).run().is_silent();
    let doctor = Doctor::of(server.url()).args(["--path", &full(&standard.executable)]);
    doctor.args(["--key", &next.public_key().to_string()]).run().is_silent();
}

#[test]
fn a_path_with_and_without_slashes() {
    let standard = Standard::new();
    let section = "[expose]\neverything = true\n[cache.team]\npath = \"/team\"\nexpose.everything = true\naccess.anonymous = [\"read\"]";
    let server = server().store(&standard.store).keys([SECRET_KEY]).section(section).start();
    for path in ["/team", "/team/", "/team//", "", "/"] {
        of(&format!("{}{path}", server.url()), &standard).run().is_silent();
    }
    of(&format!("{}/teams", server.url()), &standard).run().names(&["not-a-cache"]);
}

#[test]
fn a_private_cache_behind_a_redirect_to_https() {
    if !is_installed("nginx") {
        return;
    }
    let standard = Standard::new();
    let tokens = rns_testing::Scratch::new();
    let token = create(&tokens.join("tokens"), "reader", &[]);
    let access = format!("[access]\ntokens = {:?}\nanonymous = []", tokens.join("tokens"));
    let server = speaking_tls("issuer.crt", "issuer.key").store(&standard.store);
    let server = server.keys([SECRET_KEY]).section(&access).start();
    let redirect = format!("return 301 {}$request_uri;", server.url());
    let mistakes = Mistakes { server: &redirect, ..Mistakes::default() };
    let front = WrongFront::with(server.address(), &mistakes);
    let doctor = of(&front.url, &standard).env("NIX_SSL_CERT_FILE", given("issuer-ca.crt"));
    let netrc = doctor.scratch.join("netrc");
    write_key(&netrc, &format!("machine 127.0.0.1 login ci password {token}\n"));
    let diagnosis = doctor.run();
    assert_healthy(&diagnosis);
    assert_hides(&diagnosis, &token);
    let hint = &diagnosis.json["hints"][0];
    assert_eq!(hint["check"], "redirect", "{:#}", diagnosis.json);
    let mend = hint["mend"].as_str().unwrap();
    assert!(mend.contains(&format!("extra-substituters = {}", server.url())), "{mend}");
}

#[test]
fn an_authority_that_nix_conf_names() {
    let standard = Standard::new();
    let server =
        speaking_tls("issuer.crt", "issuer.key").store(&standard.store).keys([SECRET_KEY]).start();
    let conf = format!("substituters =\nssl-cert-file = {}\n", given("issuer-ca.crt").display());
    of(server.url(), &standard).nix_conf(&conf).run().is_silent();
    // The file of the system.
    let doctor = of(server.url(), &standard).env("SSL_CERT_FILE", given("issuer-ca.crt"));
    doctor.run().is_silent();
}

#[test]
fn https_where_there_is_none() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let url = server.url().replace("http:", "https:");
    let diagnosis = of(&url, &standard).run();
    diagnosis.names(&["tls-absent"]);
    assert!(diagnosis.mend().contains(server.url()), "{}", diagnosis.mend());
}

#[test]
fn a_cache_without_a_priority() {
    if !is_installed("nginx") {
        return;
    }
    let standard = Standard::new();
    let server = serve(&standard.store);
    let location = "location = /nix-cache-info { return 200 \"StoreDir: /nix/store\\n\"; }";
    let front = WrongFront::start(server.address(), location);
    let conf = "substituters = https://cache.nixos.org\ntrusted-public-keys =\n";
    of(&front.url, &standard).nix_conf(conf).run().is_silent();
}

#[test]
fn a_proxy_that_compresses_narinfos_for_those_who_want_that() {
    if !is_installed("nginx") {
        return;
    }
    let standard = Standard::new();
    let server = serve(&standard.store);
    let location = "gzip on; gzip_min_length 1; gzip_proxied any; gzip_types text/x-nix-narinfo text/plain application/json;";
    let front = WrongFront::start(server.address(), location);
    of(&front.url, &standard).run().is_silent();
}

#[test]
fn nars_in_a_compression_that_only_nix_can_undo() {
    if !is_installed("nginx") {
        return;
    }
    let standard = Standard::new();
    let server = serve(&standard.store);
    let narinfo = server.get(&narinfo_of(&standard.executable)).text().to_owned();
    let narinfo = narinfo.replace("Compression: none", "Compression: lzip").replace('\n', "\\n");
    let location = format!(
        "location ~ narinfo$ {{ return 200 \"{narinfo}\"; }} location = /version {{ return 404; }}"
    );
    let front = WrongFront::start(server.address(), &location);
    let diagnosis = of(&front.url, &standard).run();
    assert_eq!((diagnosis.ids(), diagnosis.code), (vec![], 4), "{:#}", diagnosis.json);
    assert_eq!(diagnosis.json["unchecked"][0]["check"], "nar", "{:#}", diagnosis.json);
}

#[test]
fn an_answer_that_a_cache_on_the_way_has_kept_for_long() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    // Seconds since the beginning of the year 2000.
    let age = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 946_684_800;
    let url =
        with_date(server.address(), format!("Date: Sat, 01 Jan 2000 00:00:00 GMT\r\nAge: {age}"));
    of(&url, &standard).run().is_silent();
}

#[test]
fn a_machine_that_asks_for_no_signature() {
    let standard = Standard::new();
    let server = server().store(&standard.store).start();
    let look = |conf: &str| {
        let doctor = Doctor::of(server.url()).args(["--path", &full(&standard.executable)]);
        let conf = conf.replace("URL", server.url());
        doctor.nix_conf(&format!("{conf}trusted-public-keys =\n")).run()
    };
    look("substituters = URL?trusted=true\n").is_silent();
    look("substituters = URL\nrequire-sigs = false\n").is_silent();
    look("substituters = URL\n").names(&["unsigned"]);
}

#[test]
fn a_user_whom_the_daemon_trusts_by_a_group() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    let look = |group: &str| {
        let doctor = of(server.url(), &standard).env("USER", "alice");
        let doctor = doctor.nix_conf("substituters =\ntrusted-users = root @wheel\n");
        let user = format!("extra-substituters = {}\n", server.url());
        let user = doctor.scratch.write("user.conf", user);
        let doctor = doctor.env("NIX_USER_CONF_FILES", user);
        Some(doctor.with_mounted(&[("/etc/group", group)])?.run())
    };
    let Some(diagnosis) = look("root:x:0:\nwheel:x:1001:bob,alice\n") else { return };
    diagnosis.is_silent();
    look("root:x:0:\nwheel:x:1001:bob\n").unwrap().names(&["user-not-trusted"]);
    // A directory service may know the group.
    let diagnosis = look("root:x:0:\n").unwrap();
    assert_eq!((diagnosis.ids(), diagnosis.code), (vec![], 4), "{:#}", diagnosis.json);
}

#[test]
fn nars_that_the_bucket_itself_sends() {
    let Some(s3) = S3Server::start() else { return };
    let standard = Standard::new();
    let builder = server()
        .keys([SECRET_KEY])
        .store_flag("enabled", false)
        .section(&format!("[storage]\nurl = {:?}\nredirect = true", s3.url()))
        .env("AWS_SHARED_CREDENTIALS_FILE", s3.credentials_file().to_str().unwrap());
    let tokens = builder.scratch().join("tokens");
    let token = create(&tokens, "ci", &["--allow", "push"]);
    // Else it would be that of the machine.
    let index = tokens.with_file_name("index.sqlite");
    let access = format!(
        "[access]\ntokens = {tokens:?}\nanonymous = [\"read\"]\n[index]\nurl = \"sqlite://{}\"",
        index.display()
    );
    let server = builder.section(&access).start();
    super::healthy::push(&standard, server.url(), &token);
    let path = full(&standard.itself);
    let doctor = Doctor::of(server.url()).args(["--path", &path, "--key", PUBLIC_KEY]);
    // This bucket takes ranges, and does not say so: Nix does not go on. That HEAD is not for its URLs is no fault.
    doctor.run().names(&["range-ignored"]);
}

#[test]
fn a_password_with_every_kind_of_character() {
    if !is_installed("nginx") {
        return;
    }
    let standard = Standard::new();
    let server = serve(&standard.store);
    let scratch = rns_testing::Scratch::new();
    let password = "p%2Fq/r@s;t u#v\"w";
    let users = scratch.write("users", format!("ci:{{PLAIN}}{password}\n"));
    let location = format!("auth_basic cache; auth_basic_user_file {};", users.display());
    let front = WrongFront::start(server.address(), &location);
    let encoded = "p%252Fq%2Fr%40s%3Bt%20u%23v%22w";
    let url = |password: &str| front.url.replace("://", &format!("://ci:{password}@"));
    let diagnosis = of(&url(encoded), &standard).run();
    diagnosis.is_silent();
    assert_hides(&diagnosis, "252F");
    let diagnosis = of(&url(&encoded.replace("p%", "secret-word%")), &standard).run();
    diagnosis.names(&["credential-refused"]);
    assert_hides(&diagnosis, "secret-word");
    let doctor = of(&front.url, &standard);
    let netrc = doctor.scratch.join("netrc");
    let quoted = password.replace('"', "\\\"");
    write_key(&netrc, &format!("machine 127.0.0.1 login ci password \"{quoted}\"\n"));
    doctor.run().is_silent();
}

#[test]
fn a_proxy_that_the_environment_names() {
    let standard = Standard::new();
    let server = serve(&standard.store);
    // The server itself takes requests as proxies get them.
    let proxy = server.url().replace("://", "://ci:secret-word@");
    let through = |proxy: &str| of("http://cache.invalid", &standard).env("http_proxy", proxy);
    let diagnosis = through(&proxy).run();
    diagnosis.is_silent();
    assert_hides(&diagnosis, "secret-word");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let diagnosis = through(&format!("http://ci:secret-word@127.0.0.1:{port}")).run();
    diagnosis.names(&["unreachable"]);
    assert_eq!(diagnosis.code, 3);
    assert!(diagnosis.mend().starts_with("unset http_proxy"), "{}", diagnosis.mend());
    assert_hides(&diagnosis, "secret-word");
    // It is not asked for this host.
    let direct = of(server.url(), &standard).env("http_proxy", format!("http://127.0.0.1:{port}"));
    direct.env("no_proxy", "localhost,127.0.0.0/8").run().is_silent();
    // Nix may go through it, so that this is no error.
    let socks = format!("socks5://ci:secret-word@127.0.0.1:{port}");
    let diagnosis = of(server.url(), &standard).env("all_proxy", socks).run();
    diagnosis.names(&[]);
    assert_eq!(diagnosis.code, 4);
    assert_hides(&diagnosis, "secret-word");
}

#[test]
fn https_through_a_proxy() {
    let standard = Standard::new();
    let server =
        speaking_tls("issuer.crt", "issuer.key").store(&standard.store).keys([SECRET_KEY]).start();
    let proxy = connecting(server.address());
    let doctor = of(server.url(), &standard).env("NIX_SSL_CERT_FILE", given("issuer-ca.crt"));
    // A direct connection would be one to nothing.
    let doctor = doctor.env("https_proxy", format!("http://ci:secret-word@{proxy}"));
    let diagnosis = doctor.run();
    diagnosis.is_silent();
    assert_hides(&diagnosis, "secret-word");
    let sound = diagnosis.json["sound"].to_string();
    assert!(sound.contains(&format!("the proxy {proxy} of https_proxy answers")), "{sound}");
}

/// A proxy that connects every client with this server, and wants a credential.
fn connecting(upstream: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || connect(&client, upstream));
        }
    });
    address
}

fn connect(client: &TcpStream, upstream: SocketAddr) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let mut client = client.try_clone()?;
    // The one in the URL.
    let credential = "basic y2k6c2vjcmv0lxdvcmq=";
    if !head.starts_with("CONNECT ") || !head.to_ascii_lowercase().contains(credential) {
        return client.write_all(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
    }
    let mut server = TcpStream::connect(upstream)?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let mut back = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        _ = std::io::copy(&mut back.0, &mut back.1);
        back.1.shutdown(Shutdown::Write)
    });
    std::io::copy(&mut reader, &mut server)?;
    server.shutdown(Shutdown::Write)
}

#[test]
fn a_reader_that_is_refused_is_told_which_file_lacks_its_token() {
    let standard = Standard::new();
    let (builder, _) = private(&standard.store, "anonymous = []\nfailure_delay = \"0s\"");
    let server = builder.start();
    let conf = "substituters =\nnetrc-file = /nonexistent/netrc\n";
    let diagnosis = of(server.url(), &standard).nix_conf(conf).run();
    diagnosis.names(&["credential-missing"]);
    let what = diagnosis.json["findings"][0]["what"].as_str().unwrap();
    assert!(what.ends_with("there is no /nonexistent/netrc"), "{what}");
}
