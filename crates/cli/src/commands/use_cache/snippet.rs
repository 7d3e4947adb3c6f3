//! Lines for configurations that this program does not write.

use rns_formats::PublicKey;

use crate::use_args::Snippet;

/// The lines for a place. `private_host` is that of a cache which asks for a token: it comes from a secret of the place, and
/// is in no line.
pub(super) fn snippet(
    place: Snippet,
    url: &str,
    keys: &[PublicKey],
    private_host: Option<&str>,
) -> String {
    match place {
        Snippet::Nixos => nixos(url, keys, private_host),
        Snippet::Github => github(url, keys, private_host),
        Snippet::Gitlab => gitlab(url, keys, private_host),
    }
}

/// The lines of nix.conf.
fn conf(url: &str, keys: &[PublicKey], indent: &str) -> String {
    let spaced = keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let keys = match spaced.as_str() {
        "" => String::new(),
        keys => format!("{indent}extra-trusted-public-keys = {keys}\n"),
    };
    format!("{indent}extra-substituters = {url}\n{keys}")
}

fn nixos(url: &str, keys: &[PublicKey], private_host: Option<&str>) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    let keys = keys.join(" ");
    let netrc = private_host.map_or_else(String::new, |host| {
        format!(
            "  # For root alone, and outside the Nix store: machine {host} login rust-nix-serve password TOKEN\n  \
             netrc-file = \"/etc/nix/netrc\";\n"
        )
    });
    format!(
        "nix.settings = {{\n  extra-substituters = [ \"{url}\" ];\n  \
         extra-trusted-public-keys = [ {keys} ];\n{netrc}}};\n"
    )
}

fn github(url: &str, keys: &[PublicKey], private_host: Option<&str>) -> String {
    let conf = conf(url, keys, "    ");
    let (secret, netrc) = match private_host {
        None => ("", String::new()),
        Some(host) => (
            "  env:\n    CACHE_TOKEN: ${{ secrets.CACHE_TOKEN }}\n",
            format!(
                "    echo \"machine {host} login rust-nix-serve password $CACHE_TOKEN\" |\n      \
                 sudo install -m 600 /dev/stdin /etc/nix/netrc\n"
            ),
        ),
    };
    let setting = if netrc.is_empty() { "" } else { "    netrc-file = /etc/nix/netrc\n" };
    // The last line of the file may have no end.
    format!(
        "- name: Use {url}\n{secret}  run: |\n{netrc}    sudo tee -a /etc/nix/nix.conf <<'EOF'\n\n{conf}{setting}    EOF\n    \
         sudo systemctl restart nix-daemon || true\n"
    )
}

fn gitlab(url: &str, keys: &[PublicKey], private_host: Option<&str>) -> String {
    let conf = conf(url, keys, "    ");
    match private_host {
        None => format!("variables:\n  NIX_CONFIG: |\n{conf}"),
        // CACHE_TOKEN is a masked variable of the project.
        Some(host) => format!(
            "variables:\n  NIX_CONFIG: |\n{conf}    netrc-file = /etc/nix/netrc\nbefore_script:\n  \
             # CACHE_TOKEN: a masked variable of the project\n  - |\n    mkdir -p /etc/nix\n    \
             (umask 077; echo \"machine {host} login rust-nix-serve password $CACHE_TOKEN\" > /etc/nix/netrc)\n"
        ),
    }
}
