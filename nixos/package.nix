{
  lib,
  stdenv,
  rustPlatform,
  installShellFiles,
}:
let
  manifest = (lib.importTOML ../Cargo.toml).workspace.package;
in
rustPlatform.buildRustPackage {
  pname = "rust-nix-serve";
  inherit (manifest) version;

  # Only what cargo reads: a changed guide or module must not rebuild the program.
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions (
      [
        ../Cargo.toml
        ../Cargo.lock
        ../crates
        # A member of the workspace, so cargo wants to see it, though it is not built.
        ../tests/fuzz/Cargo.toml
        ../tests/fuzz/src
      ]
      ++ map lib.fileset.maybeMissing [
        ../tests/e2e
        ../tests/data
        ../README.md
      ]
    );
  };
  cargoLock.lockFile = ../Cargo.lock;

  # The checks of the flake run the tests; installing the server does not wait for them.
  doCheck = false;

  nativeBuildInputs = [ installShellFiles ];
  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    installShellCompletion --cmd rust-nix-serve \
      --bash <($out/bin/rust-nix-serve completions bash) \
      --fish <($out/bin/rust-nix-serve completions fish) \
      --zsh <($out/bin/rust-nix-serve completions zsh)
    mkdir man
    $out/bin/rust-nix-serve man man
    installManPage man/*
  '';

  meta = {
    inherit (manifest) description;
    license = with lib.licenses; [
      mit
      asl20
    ];
    mainProgram = "rust-nix-serve";
    platforms = lib.platforms.linux;
  };
}
