# The VM tests with the modules of this checkout: as `definitions` for those who bring their own framework, and as
# derivations that run them.
{ pkgs }:
let
  inherit (pkgs) lib;
  modules = (import ../../nixos/modules.nix).nixos;
  definitions = import ./definitions.nix {
    inherit lib;
    server = modules.default;
    inherit (modules) client;
  };
in
{
  inherit definitions;
  checks = lib.mapAttrs (_: pkgs.testers.runNixOSTest) definitions;
}
