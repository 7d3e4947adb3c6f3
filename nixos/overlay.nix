final: _previous: {
  rust-nix-serve = import ./checkout.nix { pkgs = final; };
}
