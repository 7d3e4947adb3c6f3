//! An issuer of tokens (OpenID Connect) on this machine.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RsaKeyPair, RsaPublicKeyComponents,
    },
};
use serde_json::{Value, json};

const RSA: &str = include_str!("../../../tests/data/oidc/rsa.key");

/// A server that publishes keys as issuers do. It lives as long as the process.
#[derive(Debug)]
pub struct Issuer {
    address: SocketAddr,
    published: Arc<Mutex<Published>>,
}

#[derive(Debug)]
struct Published {
    /// The name that it says.
    url: String,
    keys: Vec<Value>,
    down: bool,
    asked: usize,
}

/// A key that tokens are signed with.
#[derive(Debug)]
pub struct SigningKey {
    id: String,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Issuer {
    /// Starts one that publishes these keys.
    #[must_use]
    pub fn start(keys: &[&SigningKey]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let keys = keys.iter().map(|key| key.published()).collect();
        let url = format!("http://{address}");
        let published = Arc::new(Mutex::new(Published { url, keys, down: false, asked: 0 }));
        let shared = Arc::clone(&published);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer(&stream, &shared, address);
            }
        });
        Self { address, published }
    }

    /// Its name; also its address, unless a proxy is in between.
    #[must_use]
    pub fn url(&self) -> String {
        self.published.lock().unwrap().url.clone()
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says that it is called something else.
    pub fn call(&self, url: &str) {
        self.published.lock().unwrap().url = url.to_owned();
    }

    /// Publishes other keys.
    pub fn publish(&self, keys: &[&SigningKey]) {
        self.published.lock().unwrap().keys = keys.iter().map(|key| key.published()).collect();
    }

    /// Answers nothing but errors from now on, or no longer.
    pub fn set_down(&self, down: bool) {
        self.published.lock().unwrap().down = down;
    }

    /// How often its keys were fetched.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.published.lock().unwrap().asked
    }
}

fn answer(mut stream: &TcpStream, published: &Mutex<Published>, address: SocketAddr) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
    // The rest of the head.
    let _ = lines.find(String::is_empty);
    let mut published = published.lock().unwrap();
    let (status, body) = match &*path {
        _ if published.down => ("503 Service Unavailable", Value::Null),
        "/.well-known/openid-configuration" => {
            let keys = match published.url.starts_with("https") {
                true => format!("{}/keys", published.url),
                false => format!("http://{address}/keys"),
            };
            ("200 OK", json!({ "issuer": published.url, "jwks_uri": keys }))
        }
        "/keys" => {
            published.asked += 1;
            ("200 OK", json!({ "keys": published.keys }))
        }
        _ => ("404 Not Found", Value::Null),
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all((head + &body).as_bytes());
}

impl SigningKey {
    /// The one RSA key that there is, for RS256.
    #[must_use]
    pub fn rsa(id: &str) -> Self {
        let der = BASE64_STANDARD.decode(RSA.replace('\n', "")).unwrap();
        Self { id: id.to_owned(), pair: Pair::Rsa(RsaKeyPair::from_der(&der).unwrap()) }
    }

    /// A new key for ES256.
    #[must_use]
    pub fn p256(id: &str) -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).unwrap();
        Self { id: id.to_owned(), pair: Pair::P256(pair) }
    }

    /// A new key for EdDSA.
    #[must_use]
    pub fn ed25519(id: &str) -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
        Self { id: id.to_owned(), pair: Pair::Ed25519(pair) }
    }

    /// The public half, as it is published.
    #[must_use]
    pub fn published(&self) -> Value {
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let mut key = match &self.pair {
            Pair::Rsa(pair) => {
                let parts = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "n": text(&parts.n), "e": text(&parts.e) })
            }
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..]) })
            }
            Pair::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) })
            }
        };
        key["kid"] = json!(self.id);
        key["alg"] = json!(self.algorithm());
        key["use"] = json!("sig");
        key
    }

    /// A token that claims this.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": self.algorithm(), "typ": "JWT", "kid": self.id });
        self.sign_with(&header, claims)
    }

    /// A token with any header.
    #[must_use]
    pub fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let part = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let (random, message) = (SystemRandom::new(), signed.as_bytes());
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Pair::P256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        };
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    const fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
        }
    }
}

/// The least claims of a token of this issuer for this audience, and the wanted ones. It was made now and
/// ends in ten minutes.
#[must_use]
pub fn claims(issuer: &str, audience: &str, others: Value) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut claims =
        json!({ "iss": issuer, "aud": audience, "iat": now, "nbf": now, "exp": now + 600 });
    if let (Some(all), Value::Object(others)) = (claims.as_object_mut(), others) {
        all.extend(others);
    }
    claims
}
