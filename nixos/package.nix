{
  lib,
  stdenv,
  rustPlatform,
  installShellFiles,
  versionCheckHook,
  nixosTests,
  # { version, src, and cargoLock or cargoHash }: this checkout, or in nixpkgs the source of fetchFromGitHub (upstream.sh).
  source ? import ./source.nix { inherit lib; },
}:
rustPlatform.buildRustPackage (
  source
  // {
    pname = "rust-nix-serve";

    # The checks of the flake run the tests, with a real Nix beside them; installing the server does not wait for them.
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

    # That it starts, and is the version it is said to be.
    doInstallCheck = true;
    nativeInstallCheckInputs = [ versionCheckHook ];

    passthru.tests = {
      inherit (nixosTests) rust-nix-serve;
    };

    # OWNER and the maintainers are those of the publisher: upstream.sh says what else they fill in.
    meta = {
      description = "Turns a Nix store into a signed, fast binary cache";
      homepage = "https://github.com/OWNER/rust-nix-serve";
      changelog = "https://github.com/OWNER/rust-nix-serve/blob/v${source.version}/docs/CHANGELOG.md";
      license = with lib.licenses; [
        mit
        asl20
      ];
      maintainers = [ ];
      mainProgram = "rust-nix-serve";
      platforms = lib.platforms.linux;
    };
  }
)
