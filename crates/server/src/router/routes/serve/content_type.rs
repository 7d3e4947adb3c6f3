//! The content type of a file, by its name.

use actix_web::http::header::HeaderValue;

/// The content type of a file with this name; text is taken for UTF-8.
pub(super) fn of(name: &str) -> HeaderValue {
    let guess = mime_guess::from_path(name).first_raw();
    let text = match guess {
        Some(kind) if kind.starts_with("text/") || kind == "application/javascript" => {
            format!("{kind}; charset=utf-8")
        }
        Some(kind) => kind.to_owned(),
        None if is_text(name) => "text/plain; charset=utf-8".to_owned(),
        None => "application/octet-stream".to_owned(),
    };
    HeaderValue::try_from(text)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"))
}

/// Names that are common in store paths and that no table of types has.
fn is_text(name: &str) -> bool {
    const TEXT_FILE_NAMES: [&str; 8] = [
        "propagated-build-inputs",
        "setup-hook",
        "COPYING",
        "LICENSE",
        "README",
        "NEWS",
        "AUTHORS",
        "ChangeLog",
    ];
    const ENDINGS: [&str; 8] =
        [".nix", ".drv", ".service", ".socket", ".pc", ".la", ".conf", ".log"];
    TEXT_FILE_NAMES.contains(&name) || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_type() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("style.css", "text/css; charset=utf-8"),
            ("logo.png", "image/png"),
            ("default.nix", "text/plain; charset=utf-8"),
            ("README", "text/plain; charset=utf-8"),
            ("libc.so.6", "application/octet-stream"),
            ("bash", "application/octet-stream"),
        ] {
            assert_eq!(of(name), expected, "{name}");
        }
    }
}
