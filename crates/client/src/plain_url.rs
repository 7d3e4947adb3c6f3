//! The URL of a cache as nix.conf has it.

use url::Url;

/// The URL without parameters, login and final slashes: Nix remembers it like this.
#[must_use]
pub fn plain_url(url: &Url) -> String {
    let mut url = url.clone();
    // A URL without a host has no login.
    _ = url.set_password(None);
    _ = url.set_username("");
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_parameters_and_slashes_are_left_out() {
        let url = Url::parse("https://ci:secret@cache.example.org/team/?priority=10#x").unwrap();
        assert_eq!(plain_url(&url), "https://cache.example.org/team");
        assert_eq!(plain_url(&Url::parse("file:///var/cache/").unwrap()), "file:///var/cache");
    }
}
