//! The signature of a path, and the keys that this client trusts.

use rns_formats::{NarInfo, PublicKey, StoreDir, StorePath};

use super::{discovery::FoundNarInfo, subject::CacheSubject};
use crate::{Finding, FindingId, Outcome};

pub(super) async fn check(cache: &CacheSubject) -> Outcome {
    let FoundNarInfo { hash, narinfo } = match cache.narinfo().await {
        Ok(found) => found,
        Err(error) => return error.outcome(),
    };
    let narinfo = match narinfo {
        Ok(narinfo) => narinfo,
        Err(why) => {
            return Outcome::wrong(Finding::new(
                FindingId::NarinfoMalformed,
                format!("{}{hash}.narinfo cannot be used: {why}", cache.base),
                format!(
                    "rust-nix-serve storage verify --repair   # on the server, then push {hash} again"
                ),
            ));
        }
    };
    let trusted = match cache.view.keys.as_slice() {
        [] => cache.view.nix_conf.trusted_keys(),
        stated => stated.to_vec(),
    };
    let store_dir = cache.cache_info().await.map(|info| info.store_dir);
    let store_dir = store_dir.unwrap_or_else(|_| cache.view.store_dir.clone());
    let advertised = cache.advertised_keys().await;
    if cache.only_pushes() && cache.view.keys.is_empty() {
        return of_pusher(narinfo, &store_dir, advertised);
    }
    if cache.view.keys.is_empty() && !cache.view.nix_conf.requires_signatures(&cache.view.url) {
        return Outcome::Sound("nix.conf asks for no signature of this cache".to_owned());
    }
    let are_of_conf = cache.view.keys.is_empty();
    judge(narinfo, &store_dir, (&trusted, are_of_conf), advertised)
}

/// The outcome on a machine that does not substitute from the cache: others will, and need a signature.
fn of_pusher(narinfo: &NarInfo, store_dir: &StoreDir, advertised: &[PublicKey]) -> Outcome {
    let path = &narinfo.store_path;
    if narinfo.signatures.is_empty() && narinfo.ca.is_none() {
        return Outcome::wrong(unsigned(path));
    }
    let fingerprint = narinfo.fingerprint(store_dir);
    let signs = |key: &&PublicKey| {
        narinfo.signatures.iter().any(|signature| key.verify(&fingerprint, signature))
    };
    Outcome::Sound(match advertised.iter().find(signs) {
        Some(key) => format!("{path} is signed by {}, a key of the cache", key.name()),
        None => format!("{path} is for clients that trust its keys: this machine only pushes"),
    })
}

fn unsigned(path: &StorePath) -> Finding {
    Finding::new(
        FindingId::Unsigned,
        format!("{path} has no signature"),
        "rust-nix-serve key generate NAME --output FILE   # on the server, and signing.keys = [FILE]",
    )
}

/// The outcome for a client that trusts these keys, which are those of nix.conf, or else stated.
fn judge(
    narinfo: &NarInfo,
    store_dir: &StoreDir,
    (trusted, are_of_conf): (&[PublicKey], bool),
    advertised: &[PublicKey],
) -> Outcome {
    let path = &narinfo.store_path;
    let fingerprint = narinfo.fingerprint(store_dir);
    let signs = |key: &&PublicKey| {
        narinfo.signatures.iter().any(|signature| key.verify(&fingerprint, signature))
    };
    if let Some(key) = trusted.iter().find(signs) {
        return Outcome::Sound(format!("{path} is signed by {}", key.name()));
    }
    if narinfo.ca.is_some() {
        return Outcome::Sound(format!("{path} proves itself by its contents"));
    }
    // A key that the cache names is no proof: the user has to compare it.
    let right = advertised.iter().find(signs);
    let mend = |change: &dyn Fn(&PublicKey) -> String| match right {
        Some(key) => format!(
            "nix.conf: {}   # if its owner sees the same: rust-nix-serve key fingerprint FILE prints {}",
            change(key),
            key.fingerprint()
        ),
        None => "ask the owner of the cache for its public key: rust-nix-serve key public FILE"
            .to_owned(),
    };
    let add = |key: &PublicKey| format!("extra-trusted-public-keys = {key}");
    if narinfo.signatures.is_empty() {
        return Outcome::wrong(unsigned(path));
    }
    let renamed = trusted.iter().find_map(|key| {
        let signers = narinfo.signatures.iter().map(|signature| &signature.key);
        let renamed = signers.filter_map(|name| renamed(key, name.as_str()));
        Some((key, renamed.collect::<Vec<_>>().into_iter().find(|key| signs(&key))?))
    });
    if let Some((key, renamed)) = renamed {
        return Outcome::wrong(Finding::new(
            FindingId::KeyOtherName,
            format!(
                "the key that signs is trusted as {}, and is called {}",
                key.name(),
                renamed.name()
            ),
            format!("nix.conf: extra-trusted-public-keys = {renamed}"),
        ));
    }
    let names: Vec<&str> = narinfo.signatures.iter().map(|sig| sig.key.as_str()).collect();
    let namesake = trusted.iter().find(|key| names.contains(&key.name().as_str()));
    Outcome::wrong(match namesake {
        Some(wrong) => Finding::new(
            FindingId::WrongKey,
            format!("the trusted key {wrong} did not sign {path}, another one of its name did"),
            match are_of_conf {
                // Of two keys with one name, Nix takes the first.
                true => mend(&|key| format!("{key} in the place of {wrong}")),
                false => mend(&add),
            },
        ),
        None => Finding::new(
            FindingId::KeyNotTrusted,
            format!("{path} is signed by {}, which this client does not trust", names.join(", ")),
            mend(&add),
        ),
    })
}

/// The same key under another name.
fn renamed(key: &PublicKey, name: &str) -> Option<PublicKey> {
    let text = key.to_string();
    let (_, bytes) = text.split_once(':')?;
    PublicKey::parse(&format!("{name}:{bytes}")).ok()
}
