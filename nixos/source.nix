# The source of a build from a checkout, in the words of buildRustPackage. package.nix knows no other origin.
{ lib }:
{
  inherit ((lib.importTOML ../Cargo.toml).workspace.package) version;

  # Only files that cargo reads: a changed guide or module must not rebuild the program.
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
}
