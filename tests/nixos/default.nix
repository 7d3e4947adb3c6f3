# Every VM test: vm/NAME.nix says what its machines are, scenarios/NAME.py what happens. The scenarios know nothing of
# NixOS, see scenarios/common.py.
{ pkgs }:
let
  inherit (pkgs) lib;
  modules = import ../../nixos/modules.nix;
  files = lib.attrNames (lib.filterAttrs (file: _: lib.hasSuffix ".nix" file) (builtins.readDir ./vm));
  names = map (lib.removeSuffix ".nix") files;

  test =
    name:
    let
      machines = import (./vm + "/${name}.nix");
    in
    {
      name = "rust-nix-serve-${name}";
      nodes = {
        cache.imports = [
          ./machines/common.nix
          modules.nixos.default
          machines.cache
        ];
        client.imports = [
          ./machines/common.nix
          modules.nixos.client
          (machines.client or { })
        ];
      }
      // removeAttrs machines [
        "cache"
        "client"
      ];
      testScript =
        builtins.readFile ./scenarios/common.py
        + "start_all()\n"
        + builtins.readFile (./scenarios + "/${name}.py");
    };
in
{
  # As modules of the test framework, for those who bring their own.
  definitions = lib.genAttrs names test;
  # As derivations that run them.
  checks = lib.genAttrs names (name: pkgs.testers.runNixOSTest (test name));
}
