# The VM tests as far as they go without building: their machines evaluate, nothing of them is refused, and the
# script that the driver would run is there.
{
  nixpkgs,
  system ? "x86_64-linux",
}:
let
  here = import ./. { inherit nixpkgs system; };
  inherit (here) lib pkgs;
  testing = import (nixpkgs + "/nixos/lib") { inherit lib; };
  tests = (import ../. { inherit pkgs; }).definitions;
  scenarios = lib.remove "common" (
    map (lib.removeSuffix ".py") (
      lib.filter (lib.hasSuffix ".py") (lib.attrNames (builtins.readDir ../scenarios))
    )
  );

  evaluated =
    name: test:
    (testing.evalTest {
      imports = [ test ];
      hostPkgs = pkgs;
      node.pkgs = pkgs;
      defaults = {
        environment.stub-ld.enable = false;
        documentation.enable = false;
      };
    }).config;

  of =
    name: test:
    let
      it = evaluated name test;
      refusals = lib.concatMap (
        node: map (one: one.message) (lib.filter (one: !one.assertion) node.assertions)
      ) (lib.attrValues it.nodes);
      units = lib.concatMap (node: lib.mapAttrsToList (_: unit: unit.text) node.systemd.units) (
        lib.attrValues it.nodes
      );
    in
    {
      inherit refusals;
      script = it.testScriptString;
      size = lib.foldl' (sum: text: sum + lib.stringLength text) 0 units;
      nodes = lib.attrNames it.nodes;
      # A store in memory is gone after a reboot, and the builds with it.
      forgets = lib.any (
        node:
        lib.hasInfix "${node}.shutdown()" it.testScriptString
        && it.nodes.${node}.virtualisation.writableStoreUseTmpfs
      ) (lib.attrNames it.nodes);
    };
  results = lib.mapAttrs of tests;

  line =
    name: result:
    if result.forgets then
      "FAILED  vm ${name}: reboots a machine whose store is in memory"
    else if result.refusals == [ ] && result.size > 0 && result.script != "" then
      "ok      vm ${name}: ${toString result.nodes}"
    else
      "FAILED  vm ${name}: ${toString result.refusals}";
  # One of another name has the script of one.
  scripts = lib.unique (
    map (name: (import (../vm + "/${name}.nix")).script or name) (lib.attrNames tests)
  );
  same =
    if lib.sort lib.lessThan scenarios == lib.sort lib.lessThan scripts then
      "ok      vm: every scenario has its machines"
    else
      "FAILED  vm: scenarios ${toString scenarios}, machines ${toString scripts}";
in
{
  inherit results;
  text = lib.concatStringsSep "\n" (lib.mapAttrsToList line results ++ [ same ]) + "\n";
}
