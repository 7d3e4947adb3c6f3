//! Tokens of CI services, which come from an issuer.

use std::{fs, net::TcpListener, process::Command, time::Duration};

use rns_testing::{
    Issuer, Process, Scratch, Server, ServerBuilder, SigningKey, Standard, claims,
    http::{Request, Response},
};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::nginx::nginx_temporary;
use crate::{
    support::certificates::given,
    support::{
        PUBLIC_KEY, SECRET_KEY, assert_logged, assert_refusal, eventually, full, is_installed,
        nixes, server,
    },
};

const AUDIENCE: &str = "https://cache.example.org";

/// A private cache for the main branch of the repositories of one owner, and for a group.
fn trusting(standard: &Standard, issuer: &Issuer) -> ServerBuilder {
    trusting_by(standard, issuer, "")
}

/// The same with one more line about the issuer.
fn trusting_by(standard: &Standard, issuer: &Issuer, line: &str) -> ServerBuilder {
    let provider = |name: &str, claims: &str| {
        format!(
            "[access.oidc.{name}]\nissuer = {:?}\naudience = {AUDIENCE:?}\nallow = [\"read\"]\nclaims = {claims}\n{line}\n",
            issuer.url()
        )
    };
    let github = provider("github", "[\"repository=org/*\", \"ref=refs/heads/main\"]");
    let gitlab = provider("gitlab", "[\"project_path=group/*\", \"ref_protected=true\"]");
    server()
        .store(&standard.store)
        .keys([SECRET_KEY])
        .section(&format!("[access]\nanonymous = []\nfailure_delay = \"10ms\"\n{github}{gitlab}"))
}

/// GitHub's claims about a job.
fn github(issuer: &Issuer, repository: &str) -> Value {
    let others = json!({
        "sub": format!("repo:{repository}:ref:refs/heads/main"), "repository": repository,
        "repository_owner": "org", "ref": "refs/heads/main", "ref_type": "branch",
        "event_name": "push", "job_workflow_ref": format!("{repository}/.github/workflows/ci.yml@refs/heads/main"),
        "run_id": "1", "jti": "x",
    });
    claims(&issuer.url(), AUDIENCE, others)
}

/// GitLab's claims about a job.
fn gitlab(issuer: &Issuer, project: &str) -> Value {
    let others = json!({
        "sub": format!("project_path:{project}:ref_type:branch:ref:main"), "project_path": project,
        "namespace_path": "group", "ref": "main", "ref_protected": "true", "user_access_level": "developer",
        "groups_direct": ["group"], "pipeline_id": "1", "jti": "y",
    });
    claims(&issuer.url(), AUDIENCE, others)
}

fn ask(server: &Server, token: &str) -> Response {
    let request =
        Request::get("/nix-cache-info").header("Authorization", format!("Bearer {token}"));
    server.connect().send(&request)
}

#[test]
fn a_job_is_told_the_audience_before_it_has_a_token() {
    let standard = Standard::new();
    let issuer = Issuer::start(&[&SigningKey::rsa("rsa-1")]);
    let server = trusting(&standard, &issuer).start();
    assert_refusal(&server.get("/nix-cache-info"), 401);
    let answer = server.get("/api/cache-config");
    answer.ok();
    assert_eq!(answer.head.header("content-type"), Some("application/json"));
    assert_eq!(answer.head.header("cache-control"), Some("no-store"));
    let config: Value = serde_json::from_str(answer.text()).unwrap();
    let of_issuer = json!({ "issuer": issuer.url(), "audience": AUDIENCE });
    let expected = json!({
        "url": "http://cache.test",
        "pushUrl": null,
        "publicKeys": [PUBLIC_KEY],
        "storeDir": "/nix/store",
        "priority": 50,
        "wantMassQuery": true,
        "needsToken": true,
        "oidc": [of_issuer, of_issuer],
    });
    assert_eq!(config, expected);
}

#[test]
fn real_nix_reads_with_a_token_of_its_job() {
    let standard = Standard::new();
    let key = SigningKey::rsa("rsa-1");
    let issuer = Issuer::start(&[&key]);
    let server = trusting(&standard, &issuer).start();
    for nix in nixes() {
        for (token, reads) in [
            (key.sign(&github(&issuer, "org/repo")), true),
            (key.sign(&github(&issuer, "other/repo")), false),
        ] {
            let client = nix.client();
            let netrc = client
                .scratch()
                .write("netrc", format!("machine 127.0.0.1 login ci password {token}\n"));
            let client = client
                .option("netrc-file", netrc.to_str().unwrap())
                .substituting_from(server.url(), PUBLIC_KEY);
            let finished = client.realise([full(&standard.blob)]);
            assert_eq!(finished.status.success(), reads, "{}", finished.stderr);
        }
    }
}

#[test]
fn a_job_is_known_by_what_its_service_says_of_it() {
    let standard = Standard::new();
    let (rsa, p256) = (SigningKey::rsa("rsa-1"), SigningKey::p256("p256-1"));
    let issuer = Issuer::start(&[&rsa, &p256]);
    let server = trusting(&standard, &issuer).start();
    let good = [rsa.sign(&github(&issuer, "org/repo")), p256.sign(&gitlab(&issuer, "group/sub/x"))];
    for token in &good {
        let answer = ask(&server, token);
        answer.ok();
        assert!(answer.header("cache-control").unwrap().contains("private"));
    }
    let with = |mut claims: Value, name: &str, value: Value| {
        claims[name] = value;
        rsa.sign(&claims)
    };
    let (of_github, of_gitlab) = (github(&issuer, "org/repo"), gitlab(&issuer, "group/x"));
    for (token, why) in [
        (
            rsa.sign(&github(&issuer, "organisation/repo")),
            "without a claim that it needs: for access.oidc.",
        ),
        (
            with(of_github.clone(), "ref", json!("refs/heads/feature")),
            "`ref` is \"refs/heads/feature\", not",
        ),
        (with(of_gitlab, "ref_protected", json!("false")), "`ref_protected` is \"false\", not"),
        (
            with(of_github.clone(), "aud", json!("https://elsewhere.example.org")),
            "another audience",
        ),
        (with(of_github.clone(), "iss", json!("https://gitlab.com")), "not configured"),
        (with(of_github.clone(), "exp", json!(1_000_000_000)), "has expired"),
        (SigningKey::p256("p256-1").sign(&of_github), "a wrong signature"),
        (
            rsa.sign_with(&json!({ "alg": "none", "typ": "JWT" }), &of_github),
            "signed in an unknown way",
        ),
    ] {
        let answer = ask(&server, &token);
        assert_refusal(&answer, 401);
        assert!(answer.header("www-authenticate").is_some());
        assert_logged(&server, why);
        assert!(!server.stderr().contains(&token), "a token is in the log");
    }
    assert_eq!(issuer.asked(), 1, "known keys are not fetched again");
}

#[test]
fn keys_are_rotated_and_known_while_the_issuer_is_down() {
    let standard = Standard::new();
    let (old, new) = (SigningKey::ed25519("old"), SigningKey::p256("new"));
    let issuer = Issuer::start(&[&old]);
    let server = trusting(&standard, &issuer).start();
    let token = |key: &SigningKey, job: u32| {
        let mut claims = github(&issuer, "org/repo");
        claims["run_id"] = json!(job);
        key.sign(&claims)
    };
    let of_old = token(&old, 1);
    ask(&server, &of_old).ok();
    issuer.publish(&[&new]);
    // An unknown key makes the server ask again, but not all the time.
    let token_of_new = token(&new, 2);
    let mut tries = 0;
    while ask(&server, &token_of_new).status() != 200 {
        tries += 1;
        assert!(tries < 100, "the new key is not known after twenty seconds");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(issuer.asked() <= 4, "{} fetches in {tries} tries", issuer.asked());
    // The issuer could have published it again; that is known when it may be asked again.
    for gone in [token(&old, 3), of_old] {
        let mut tries = 0;
        loop {
            let answer = ask(&server, &gone);
            if answer.status() == 401 {
                break;
            }
            // Not as an outage that lasts: it passes.
            assert_refusal(&answer, 503);
            tries += 1;
            assert!(tries < 100, "it is not known after twenty seconds that the key is gone");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    issuer.set_down(true);
    ask(&server, &token(&new, 4)).ok();
}

#[test]
fn an_outage_of_an_issuer_ends_when_its_tokens_are_good_again() {
    let standard = Standard::new();
    let (known, unknown) = (SigningKey::ed25519("known"), SigningKey::p256("unknown"));
    let issuer = Issuer::start(&[&known]);
    let server = trusting(&standard, &issuer).start();
    let token = |key: &SigningKey| key.sign(&github(&issuer, "org/repo"));
    let until = |token: &str, wanted: u16| {
        for _ in 0..200 {
            if ask(&server, token).status() == wanted {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("no {wanted} in forty seconds");
    };
    issuer.set_down(true);
    let (good, other) = (token(&known), token(&unknown));
    until(&good, 501);
    issuer.set_down(false);
    until(&good, 200);
    // The next one is another, and young.
    issuer.set_down(true);
    let failures = || server.stderr().matches("cannot be fetched").count();
    let before = failures();
    while failures() == before {
        assert_refusal(&ask(&server, &other), 503);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_refusal(&ask(&server, &other), 503);
}

#[test]
fn an_issuer_that_is_down_is_no_reason_to_tell_clients_that_something_is_missing() {
    let standard = Standard::new();
    let key = SigningKey::ed25519("key");
    let issuer = Issuer::start(&[&key]);
    issuer.set_down(true);
    let server = trusting(&standard, &issuer).start();
    let token = key.sign(&github(&issuer, "org/repo"));
    assert_refusal(&ask(&server, &token), 503);
    assert_logged(&server, &format!("the keys of the issuer {} cannot be fetched", issuer.url()));
    assert!(!server.stderr().contains(&token));
    // Requests that need no token are answered.
    server.get("/healthz").ok();
}

#[test]
fn what_a_token_must_claim_is_changed_by_a_reload_that_keeps_the_keys() {
    let standard = Standard::new();
    let key = SigningKey::ed25519("key");
    let issuer = Issuer::start(&[&key]);
    let mut server = trusting(&standard, &issuer).start();
    let token = key.sign(&github(&issuer, "org/repo"));
    ask(&server, &token).ok();
    let file = server.scratch().join("config.toml");
    let configuration = fs::read_to_string(&file).unwrap();
    fs::write(&file, configuration.replace("repository=org/*", "repository=org/other")).unwrap();
    issuer.set_down(true);
    server.signal(Signal::HUP);
    server.wait_for_line("reloaded");
    assert_refusal(&ask(&server, &token), 401);
    ask(&server, &key.sign(&github(&issuer, "org/other"))).ok();
    assert_eq!(issuer.asked(), 1);
}

/// nginx with TLS before an issuer, which is called accordingly.
fn behind_tls(issuer: &Issuer) -> (Process, Scratch) {
    let scratch = Scratch::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let own = scratch.path().display();
    let temporary = nginx_temporary(scratch.path());
    let (certificate, key, upstream) = (given("issuer.crt"), given("issuer.key"), issuer.address());
    let configuration = format!(
        "daemon off; master_process off; pid {own}/pid; error_log stderr;
         events {{ worker_connections 64; }}
         http {{
             access_log off;
             {temporary}
             server {{
                 listen 127.0.0.1:{port} ssl;
                 ssl_certificate {certificate};
                 ssl_certificate_key {key};
                 location / {{ proxy_pass http://{upstream}; }}
             }}
         }}"
    );
    let file = scratch.write("nginx.conf", configuration);
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let nginx = Process::start(
        Command::new("nginx").env("PATH", path).arg("-c").arg(file).args(["-e", "stderr"]),
    );
    eventually(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    issuer.call(&format!("https://localhost:{port}"));
    (nginx, scratch)
}

#[test]
fn an_issuer_of_ones_own_is_trusted_by_its_ca_and_not_without() {
    if !is_installed("nginx") {
        return;
    }
    let standard = Standard::new();
    let key = SigningKey::ed25519("key");
    let issuer = Issuer::start(&[&key]);
    let _nginx = behind_tls(&issuer);
    let token = key.sign(&github(&issuer, "org/repo"));
    let server = trusting(&standard, &issuer).start();
    assert_refusal(&ask(&server, &token), 503);
    assert_logged(&server, "invalid peer certificate");
    let server =
        trusting_by(&standard, &issuer, &format!("ca = {:?}", given("issuer-ca.crt"))).start();
    ask(&server, &token).ok();
}
