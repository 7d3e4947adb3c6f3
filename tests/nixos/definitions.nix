# Every VM test as a module of the test framework (an argument of `runTest`): vm/NAME.nix describes its machines,
# scenarios/NAME.py, or the `script` that it names, the steps. The scenarios know nothing of NixOS, see
# scenarios/common.py.
#   server, client   modules that the machines import; none where NixOS has them already
{
  lib,
  server ? { },
  client ? { },
}:
let
  files = lib.attrNames (lib.filterAttrs (file: _: lib.hasSuffix ".nix" file) (builtins.readDir ./vm));
  names = map (lib.removeSuffix ".nix") files;

  test =
    name:
    let
      machines = import (./vm + "/${name}.nix");
    in
    {
      name = "rust-nix-serve-${name}";
      meta.maintainers = [ ];
      nodes = {
        cache.imports = [
          ./machines/common.nix
          server
          machines.cache
        ];
        client.imports = [
          ./machines/common.nix
          client
          (machines.client or { })
        ];
      }
      // removeAttrs machines [
        "cache"
        "client"
        "script"
      ];
      testScript =
        builtins.readFile ./scenarios/common.py
        + "start_all()\n"
        + builtins.readFile (./scenarios + "/${machines.script or name}.py");
    };
in
lib.genAttrs names test
