final: _previous: {
  rust-nix-serve = final.callPackage ./package.nix { };
}
