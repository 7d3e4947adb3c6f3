//! Faults of a machine as a server.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        net::UnixStream,
    },
    path::Path,
};

use rns_testing::{Entry, FixtureStore, Nix, Process, S3Server, ServerBuilder, Standard, Tree};

use super::{Diagnosis, Doctor};
use crate::{
    support::{SECRET_KEY, is_installed, server, tls::given},
    uploads::Pushable,
};

/// A look at the machine with the configuration of this server, which need not run.
pub(super) fn of(server: &ServerBuilder) -> Doctor {
    with_file(&server.scratch().write("config.toml", server.configuration()))
}

pub(super) fn with_file(file: &Path) -> Doctor {
    Doctor::here().arg("--config").arg(file)
}

#[test]
fn a_server_with_which_nothing_is_wrong() {
    let standard = Standard::new();
    let always = ["files", "keys", "trusted-users", "disk-cache"];
    let diagnosis = of(&server().store(&standard.store).keys([SECRET_KEY])).run();
    diagnosis.is_silent();
    diagnosis.saw(&[&always[..], &["database", "policy"]].concat());
    let cache = Pushable::new();
    cache.push(&standard, &standard.executable);
    let diagnosis = with_file(&cache.server.scratch().join("config.toml")).run();
    diagnosis.is_silent();
    diagnosis.saw(&[&always[..], &["storage", "index", "disk"]].concat());
}

#[test]
fn a_configuration_that_is_refused() {
    let builder = server().section("[signing]\npolicy = \"ad\"\nkey = []");
    let diagnosis = of(&builder).run();
    diagnosis.has("configuration-invalid");
    assert_eq!(diagnosis.code, 1);
}

#[test]
fn a_key_that_everybody_can_read() {
    let standard = Standard::new();
    let builder = server().store(&standard.store).keys([SECRET_KEY]);
    let key = builder.scratch().join("key-0");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let diagnosis = of(&builder).run();
    diagnosis.names(&["key-readable"]);
    diagnosis.mend_in_shell(None);
    of(&builder).run().is_silent();
    fs::write(&key, "nonsense").unwrap();
    of(&builder).run().names(&["key-unusable"]);
}

#[test]
fn a_daemon_that_lets_others_in_alone() {
    let Some(nix) = Nix::v2_34() else { return };
    if !rustix::process::getuid().is_root() {
        return;
    }
    let store = signed_store();
    let scratch = rns_testing::Scratch::new();
    let socket = scratch.join("socket");
    let look = |conf: &str| {
        let settings = conf.lines().map(|line| line.split_once(" = ").unwrap());
        let client =
            settings.fold(nix.client(), |client, (name, value)| client.option(name, value));
        client.run("nix-store", ["--init"]).success();
        _ = fs::remove_file(&socket);
        let mut command = client.command("nix-daemon");
        let _daemon = Process::start(command.env("NIX_DAEMON_SOCKET_PATH", &socket));
        crate::support::eventually(|| UnixStream::connect(&socket).is_ok());
        let text = with_daemon_socket(&store, &socket);
        with_file(&scratch.write("config.toml", text)).unprivileged().run()
    };
    let conf = "allowed-users = somebody\n";
    let diagnosis = look(conf);
    diagnosis.names(&["daemon-refused"]);
    let line = diagnosis.mend().strip_prefix("/etc/nix/nix.conf: ").unwrap();
    assert!(line.ends_with(" rust-nix-serve"), "{line}");
    // The user of this test.
    look(&format!("{conf}{}\n", line.replace("rust-nix-serve", "nobody"))).is_silent();
}

/// The configuration of a server without a key, which asks the daemon at this socket.
fn with_daemon_socket(store: &FixtureStore, socket: &Path) -> String {
    let text = server().store(store).section("[signing]\npolicy = \"keep\"").configuration();
    text.replace("daemon_socket = \"none\"", &format!("daemon_socket = {socket:?}"))
}

/// A store whose only path is signed by another key.
fn signed_store() -> FixtureStore {
    let mut store = FixtureStore::new();
    let signature = format!("test-1:{}==", "A".repeat(86));
    store.insert(Entry::new("signed", Tree::file("contents")).signature(signature));
    store
}

#[test]
fn a_socket_of_the_daemon_that_is_locked() {
    let Some(nix) = Nix::v2_34() else { return };
    if !rustix::process::getuid().is_root() {
        return;
    }
    let store = signed_store();
    let client = nix.client();
    client.run("nix-store", ["--init"]).success();
    let scratch = rns_testing::Scratch::new();
    let directory = scratch.join("daemon-socket");
    fs::create_dir(&directory).unwrap();
    let socket = directory.join("socket");
    let mut command = client.command("nix-daemon");
    let _daemon = Process::start(command.env("NIX_DAEMON_SOCKET_PATH", &socket));
    crate::support::eventually(|| UnixStream::connect(&socket).is_ok());
    let file = scratch.write("config.toml", with_daemon_socket(&store, &socket));
    let look = || with_file(&file).unprivileged().run();
    look().is_silent();
    for (locked, mode) in [(&socket, 0o600), (&directory, 0o700)] {
        fs::set_permissions(locked, fs::Permissions::from_mode(mode)).unwrap();
        let diagnosis = look();
        diagnosis.names(&["daemon-refused"]);
        diagnosis.mend_in_shell(None);
        look().is_silent();
    }
    // As the manual of Nix says: for the members of a group.
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o750)).unwrap();
    chown(&directory, None, Some(1)).unwrap();
    let diagnosis = look();
    diagnosis.names(&["daemon-refused"]);
    let group = fs::read_to_string("/etc/group").unwrap();
    let group = group.lines().find(|line| line.split(':').nth(2) == Some("1")).unwrap();
    let group = group.split(':').next().unwrap();
    let line = format!("SupplementaryGroups={group}");
    assert!(diagnosis.mend().ends_with(&line), "{}", diagnosis.mend());
}

#[test]
fn a_database_without_the_files_beside_it() {
    let mut store = signed_store();
    let database = store.database();
    let wal = database.with_file_name("db.sqlite-wal");
    let copies: Vec<_> =
        [&database, &wal].map(|file| (file.clone(), fs::read(file).unwrap())).into();
    store.close_database();
    // A backup that was taken while Nix was running, and that has no index of the log.
    for (file, bytes) in copies {
        fs::write(file, bytes).unwrap();
    }
    let builder = server().store(&store).section("[signing]\npolicy = \"keep\"");
    let scratch = rns_testing::Scratch::new();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let file = scratch.write("config.toml", builder.configuration());
    let look = || with_file(&file).unprivileged().run();
    let diagnosis = look();
    diagnosis.names(&["database-unreadable"]);
    let Some(nix) = Nix::v2_34() else { return };
    let client = nix.client().with_root(store.root());
    diagnosis.mend_with(None, |shell| {
        let nix = client.command("nix-store");
        let directory = Path::new(nix.get_program()).parent().unwrap();
        let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
        shell.envs(nix.get_envs().map(|(name, value)| (name, value.unwrap_or_default())));
        shell.env("PATH", path);
    });
    look().is_silent();
}

#[test]
fn policies_with_which_clients_get_nothing() {
    let standard = Standard::new();
    let shows =
        |toml: &str| of(&server().store(&standard.store).keys([SECRET_KEY]).section(toml)).run();
    shows("[expose]\nnames = [\"nothing-*\"]").names(&["policy-shows-nothing"]);
    shows("[expose]\nnames = [\"run\"]").is_silent();
    let unsigned = of(&server().store(&standard.store)).run();
    unsigned.names(&["policy-leaves-unsigned"]);
}

#[test]
fn a_bucket_that_does_not_answer() {
    let Some(mut s3) = S3Server::start() else { return };
    let credentials = s3.credentials_file();
    let builder = server()
        .keys([SECRET_KEY])
        .store_flag("enabled", false)
        .section(&format!("[storage]\nurl = {:?}", s3.url()));
    let index = builder.scratch().join("index.sqlite");
    let builder = builder.section(&format!("[index]\nurl = \"sqlite://{}\"", index.display()));
    let look = |builder: &ServerBuilder| {
        of(builder).env("AWS_SHARED_CREDENTIALS_FILE", &credentials).run()
    };
    let before = look(&builder);
    // The server has never run, so that there is no index.
    before.names(&["index-behind"]);
    let config = builder.scratch().write("config.toml", builder.configuration());
    let mend = |diagnosis: &Diagnosis| {
        diagnosis.mend_with(Some(&config), |shell| {
            shell.env("AWS_SHARED_CREDENTIALS_FILE", &credentials);
        })
    };
    mend(&before);
    look(&builder).is_silent();
    s3.stop();
    let diagnosis = look(&builder);
    diagnosis.names(&["storage-unreachable"]);
    s3.restart();
    mend(&diagnosis);
    look(&builder).is_silent();
}

#[test]
fn an_index_that_was_restored_from_a_backup() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    cache.push(&standard, &standard.executable);
    let config = cache.server.scratch().join("config.toml");
    let index = cache.directory.join(".rust-nix-serve/index.sqlite");
    let backup = cache.directory.join(".rust-nix-serve/backup");
    rns_testing::open_sqlite(&index).execute("vacuum into ?", [backup.to_str().unwrap()]).unwrap();
    cache.push(&standard, &standard.link);
    let Pushable { server, directory, .. } = &cache;
    server.signal(rustix::process::Signal::TERM);
    crate::support::eventually(|| server.stderr().contains("stopped") || !is_there(server));
    for suffix in ["-wal", "-shm"] {
        _ = fs::remove_file(directory.join(format!(".rust-nix-serve/index.sqlite{suffix}")));
    }
    fs::rename(backup, index).unwrap();
    let diagnosis = with_file(&config).run();
    diagnosis.names(&["index-behind"]);
    assert_eq!(diagnosis.mend(), "rust-nix-serve storage index --rebuild");
    if rustix::process::geteuid().is_root() {
        // Root is sent to the user who may do it.
        chown(directory, Some(65_534), None).unwrap();
        let diagnosis = with_file(&config).run();
        assert_eq!(diagnosis.mend(), "sudo -u nobody rust-nix-serve storage index --rebuild");
        chown(directory, Some(0), None).unwrap();
    }
    diagnosis.mend_in_shell(Some(&config));
    with_file(&config).run().is_silent();
}

fn is_there(server: &rns_testing::Server) -> bool {
    std::net::TcpStream::connect(server.address()).is_ok()
}

#[test]
fn an_index_that_cannot_be_used() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    cache.push(&standard, &standard.executable);
    let Pushable { mut server, ref directory, .. } = cache;
    let config = server.scratch().join("config.toml");
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait(std::time::Duration::from_secs(20)).success());
    let index = directory.join(".rust-nix-serve/index.sqlite");
    for suffix in ["-wal", "-shm"] {
        _ = fs::remove_file(directory.join(format!(".rust-nix-serve/index.sqlite{suffix}")));
    }
    fs::write(&index, "a page of something else").unwrap();
    let diagnosis = with_file(&config).run();
    diagnosis.names(&["index-unusable"]);
    // The line does it.
    diagnosis.mend_in_shell(Some(&config));
    with_file(&config).run().is_silent();
}

#[test]
fn what_only_the_service_can_use_is_unknown_and_no_fault() {
    let (standard, cache) = (Standard::new(), Pushable::new());
    cache.push(&standard, &standard.executable);
    let config = cache.server.scratch().join("config.toml");
    // An index that another program holds for itself is not damaged, and no operator is told to throw it away.
    let index = cache.directory.join(".rust-nix-serve/index.sqlite");
    cache.server.signal(rustix::process::Signal::TERM);
    crate::support::eventually(|| !is_there(&cache.server));
    let held = rns_testing::open_sqlite(&index);
    held.execute_batch("pragma locking_mode = exclusive; begin exclusive").unwrap();
    let diagnosis = with_file(&config).run();
    assert_eq!((diagnosis.ids(), diagnosis.code), (vec![], 4), "{:#}", diagnosis.json);
    drop(held);
    // Files with a name alone are handed over by systemd.
    let builder = server().store(&standard.store).keys([SECRET_KEY]);
    let section = "[tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"";
    let diagnosis = of(&builder.listen(["tls://127.0.0.1:0"]).section(section)).run();
    assert_eq!((diagnosis.ids(), diagnosis.code), (vec![], 4), "{:#}", diagnosis.json);
    assert_eq!(diagnosis.json["unchecked"][0]["check"], "files", "{:#}", diagnosis.json);
}

#[test]
fn a_directory_that_may_not_be_written() {
    let scratch = rns_testing::Scratch::new();
    let directory = scratch.join("cache");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("nix-cache-info"), "StoreDir: /nix/store\n").unwrap();
    for (path, mode) in [(scratch.path(), 0o755), (&*directory, 0o555)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let builder = server().store_flag("enabled", false);
    let builder = builder.section(&format!("[storage]\nurl = \"file://{}\"", directory.display()));
    let file = scratch.write("config.toml", builder.configuration());
    let diagnosis = with_file(&file).unprivileged().run();
    diagnosis.has("storage-read-only");
    // The same one is sound for who may write it, and is as it was.
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    let index = format!("[index]\nurl = \"sqlite://{}\"", scratch.join("index").display());
    let file = scratch.write("config.toml", builder.section(&index).configuration());
    with_file(&file).run().names(&["index-behind"]);
    let names: Vec<_> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["nix-cache-info"]);
}

#[test]
fn files_that_the_configuration_names_and_that_are_not_there() {
    let standard = Standard::new();
    let builder = || server().store(&standard.store).keys([SECRET_KEY]);
    let look = |section: &str| of(&builder().section(section)).run();
    let diagnosis = look("[access]\ntokens = \"/nonexistent/tokens\"\nanonymous = [\"read\"]");
    diagnosis.names(&["file-unusable"]);
    assert!(diagnosis.json["findings"][0]["what"].as_str().unwrap().contains("access.tokens"));
    let tls = |certificate: &Path, key: &Path| {
        let section = format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}");
        of(&builder().listen(["tls://127.0.0.1:0"]).section(&section)).run()
    };
    tls(Path::new("/nonexistent/crt"), &given("one.key")).names(&["file-unusable"]);
    tls(&given("one.crt"), &given("two.key")).names(&["file-unusable"]);
    tls(&given("expired.crt"), &given("expired.key")).names(&["tls-expired"]);
    let hinted = look("[expose]\nroots = [\"/nonexistent/root\"]");
    hinted.names(&["policy-shows-nothing"]);
    assert_eq!(hinted.json["hints"][0]["check"], "files", "{:#}", hinted.json);
}

#[test]
fn a_disk_that_is_full() {
    if !is_installed("unshare") {
        return;
    }
    let standard = Standard::new();
    let directory = rns_testing::Scratch::new();
    let section =
        format!("[nar_cache]\ncompression = \"zstd\"\ndirectory = {:?}", directory.path());
    let builder = server().store(&standard.store).keys([SECRET_KEY]).section(&section);
    // A disk of two megabytes that only this process sees.
    let fill = format!(
        "mount -t tmpfs -o size=2m none {0} && (cat /dev/zero > {0}/filling 2>/dev/null || true) && ",
        directory.path().display()
    );
    let Some(doctor) = of(&builder).behind(&fill) else { return };
    let diagnosis = doctor.run();
    diagnosis.names(&["disk-full"]);
    // The line shows what takes the space.
    let largest = format!(
        "{} | grep -q filling && rm {}/filling && ",
        diagnosis.mend().split("   # ").next().unwrap(),
        directory.path().display()
    );
    of(&builder).behind(&format!("{fill}{largest}")).unwrap().run().is_silent();
}
