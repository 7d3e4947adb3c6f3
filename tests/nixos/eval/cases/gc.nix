# Garbage collection that leaves the paths that the cache should have.
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
  alike = evaluate [
    modules.nixos.default
    {
      services.rust-nix-serve = {
        enable = true;
        gc = {
          enable = true;
          roots = [
            "/srv/ci/result"
            "/srv/ci-result"
          ];
        };
      };
    }
  ];
  hooked = evaluate [
    modules.nixos.default
    {
      services.rust-nix-serve = {
        enable = true;
        gc.enable = true;
        gc.keepBuilds = "30d";
      };
      nix.settings.post-build-hook = "/etc/hook";
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
      "R /nix/var/nix/gcroots/rust-nix-serve-gc - - - -"
      # Emptied: a path that is no root any more is no root.
      "D /nix/var/nix/gcroots/rust-nix-serve/roots 0755 root root -"
      "L+ /nix/var/nix/gcroots/rust-nix-serve/roots/srv-ci-result-321d1226 - - - - /srv/ci/result"
      # By the time of making, which the collector does not renew.
      "d /nix/var/nix/gcroots/rust-nix-serve/builds 0755 root root m:14d"
    ];
  };
  "roots whose names look alike are two" = lib.allUnique (
    map (rule: lib.elemAt (lib.splitString " " rule) 1) (lib.filter (lib.hasPrefix "L+ /nix") alike.systemd.tmpfiles.rules)
  );
  "builds are not kept beyond their option" = lib.elem "R /nix/var/nix/gcroots/rust-nix-serve/builds - - - -" alike.systemd.tmpfiles.rules;
  "nor is anything without collection" =
    lib.filter (has "gcroots/rust-nix-serve") off.systemd.tmpfiles.rules == [
      "R /nix/var/nix/gcroots/rust-nix-serve - - - -"
      "R /nix/var/nix/gcroots/rust-nix-serve-gc - - - -"
    ];
  "another hook goes before ours, and a warning names the command to call" =
    hooked.refusals == [ ]
    && hooked.nix.settings.post-build-hook == "/etc/hook"
    && has "\${config.services.rust-nix-serve.gc.postBuildHook}" (toString hooked.warnings);
  "each build is kept by a hook" = machine.nix.settings ? post-build-hook;
  "nothing of it happens unasked" =
    !off.nix.gc.automatic && !(off.nix.settings ? post-build-hook);
}
