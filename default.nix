# For people without flakes: the package, the modules and the overlay, from any nixpkgs.
#   nix-build                                   the program
#   imports = [ (import ./. { }).nixosModules.default ]
{
  pkgs ? import <nixpkgs> { },
}:
let
  modules = import ./nixos/modules.nix;
  rust-nix-serve = import ./nixos/checkout.nix { inherit pkgs; };
in
rust-nix-serve
// {
  inherit rust-nix-serve;
  nixosModules = modules.nixos;
  darwinModules = modules.darwin;
  homeModules = modules.home;
  overlays.default = import ./nixos/overlay.nix;
  shell = pkgs.callPackage ./nixos/shell.nix { };
}
