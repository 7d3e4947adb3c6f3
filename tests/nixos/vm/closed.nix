{ cache.services.rust-nix-serve.enable = true; }
