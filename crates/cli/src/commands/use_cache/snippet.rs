//! Lines for configurations that this program does not write.

use rns_formats::PublicKey;

use crate::use_args::Snippet;

/// The lines for a place.
pub(super) fn snippet(place: Snippet, url: &str, keys: &[PublicKey]) -> String {
    let spaced = keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let conf = |indent: &str| {
        let keys = if keys.is_empty() {
            String::new()
        } else {
            format!("{indent}extra-trusted-public-keys = {spaced}\n")
        };
        format!("{indent}extra-substituters = {url}\n{keys}")
    };
    match place {
        Snippet::Nixos => {
            let keys: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
            format!(
                "nix.settings = {{\n  extra-substituters = [ \"{url}\" ];\n  extra-trusted-public-keys = [ {} ];\n}};\n",
                keys.join(" ")
            )
        }
        Snippet::Github => format!(
            "- name: Use {url}\n  run: |\n    sudo tee -a /etc/nix/nix.conf <<'EOF'\n{}    EOF\n    \
             sudo systemctl restart nix-daemon || true\n",
            conf("    ")
        ),
        Snippet::Gitlab => format!("variables:\n  NIX_CONFIG: |\n{}", conf("    ")),
    }
}
