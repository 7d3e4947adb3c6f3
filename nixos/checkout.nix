# The package of this checkout, with its VM tests.
{ pkgs }:
pkgs.callPackage ./package.nix {
  nixosTests.rust-nix-serve = (import ../tests/nixos { inherit pkgs; }).checks;
}
