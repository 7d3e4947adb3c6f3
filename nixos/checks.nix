# The checks of `nix flake check`.
{ pkgs, self }:
let
  inherit (pkgs) lib;
  package = self.packages.${pkgs.stdenv.hostPlatform.system}.default;

  # A run of cargo over the workspace, with the dependencies of the package and nothing to install.
  cargo =
    name: tools: command:
    package.overrideAttrs (previous: {
      pname = "rust-nix-serve-${name}";
      # Tests compare the documentation and the Nix files with the code.
      src = self;
      nativeBuildInputs = previous.nativeBuildInputs ++ tools;
      buildPhase = ''
        runHook preBuild
        ${command}
        runHook postBuild
      '';
      installPhase = "touch $out";
      postInstall = "";
      dontFixup = true;
      # There is no program to ask for its version.
      doInstallCheck = false;
    });

  evaluation = import ../tests/nixos/eval {
    nixpkgs = pkgs.path;
    inherit (pkgs.stdenv.hostPlatform) system;
  };
in
{
  inherit package;
  # Tests that want a real Nix say that they were skipped: the sandbox has no store of its own to serve.
  tests = cargo "tests" [ ] "cargo test --workspace --offline";
  clippy = cargo "clippy" [ pkgs.clippy ] "cargo clippy --workspace --all-targets --offline -- -D warnings";
  format = cargo "format" [ pkgs.rustfmt ] "cargo fmt --all --check";
  modules = pkgs.writeText "module-evaluation" evaluation.passed;
  options = pkgs.runCommand "options-document" { } ''
    diff -u ${../docs/nixos-options.md} ${
      pkgs.writeText "nixos-options.md" (import ./options-document.nix { inherit lib pkgs; } + "\n")
    }
    touch $out
  '';
}
// lib.mapAttrs' (name: lib.nameValuePair "vm-${name}") (import ../tests/nixos { inherit pkgs; }).checks
