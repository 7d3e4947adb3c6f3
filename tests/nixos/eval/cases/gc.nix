# Garbage collection that leaves what the cache should have.
{
  evaluate,
  has,
  lib,
  modules,
  pkgs,
  ...
}:
let
  machine = evaluate [
    modules.nixos.default
    {
      services.rust-nix-serve = {
        enable = true;
        gc = {
          enable = true;
          keep = [ pkgs.hello ];
          roots = [ "/srv/ci/result" ];
          keepBuilds = "14d";
        };
      };
    }
  ];
  off = evaluate [
    modules.nixos.default
    { services.rust-nix-serve.enable = true; }
  ];
in
{
  "it runs" = machine.nix.gc.automatic && machine.nix.gc.options == "--delete-older-than 30d";
  "packages stay" = lib.elem pkgs.hello machine.system.extraDependencies;
  "roots and builds stay" = {
    got = lib.filter (has "rust-nix-serve") machine.systemd.tmpfiles.rules;
    want = [
      "d /nix/var/nix/gcroots/rust-nix-serve 0755 root root -"
      "L+ /nix/var/nix/gcroots/rust-nix-serve/srv-ci-result - - - - /srv/ci/result"
      "d /nix/var/nix/gcroots/rust-nix-serve/builds 0755 root root 14d"
    ];
  };
  "each build is kept by a hook" = machine.nix.settings ? post-build-hook;
  "nothing of it happens unasked" =
    !off.nix.gc.automatic && !(off.nix.settings ? post-build-hook);
}
