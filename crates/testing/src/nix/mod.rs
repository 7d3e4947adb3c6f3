//! Real Nix as a client, one version beside another.

mod client;

use std::{
    env,
    path::{Path, PathBuf},
};

pub use client::Client;

/// An installed version of Nix.
#[derive(Clone, Debug)]
pub struct Nix {
    /// The version, major and minor.
    pub version: &'static str,
    bin: PathBuf,
}

impl Nix {
    /// Nix 2.8, if `NIX_2_8_BIN` names the directory of its programs; says so if not.
    #[must_use]
    pub fn v2_8() -> Option<Self> {
        Self::find("2.8", "NIX_2_8_BIN")
    }

    /// Nix 2.34, if `NIX_2_34_BIN` names the directory of its programs; says so if not.
    #[must_use]
    pub fn v2_34() -> Option<Self> {
        Self::find("2.34", "NIX_2_34_BIN")
    }

    /// A fresh machine with this Nix: an empty store, an empty home, nothing cached.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.clone())
    }

    /// Where one of its programs is.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    fn find(version: &'static str, variable: &str) -> Option<Self> {
        let Some(bin) = env::var_os(variable) else {
            eprintln!("skipped: real Nix not installed (tests/run installs it)");
            return None;
        };
        let bin = PathBuf::from(bin);
        assert!(
            is_program(&bin.join("nix-store")),
            "{variable} names {}, where no nix-store is",
            bin.display()
        );
        Some(Self { version, bin })
    }
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}
