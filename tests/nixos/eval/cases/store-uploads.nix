# Uploads into the store of the machine.
{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  with' =
    options: more:
    evaluate [
      modules.nixos.default
      {
        services.rust-nix-serve = {
          enable = true;
          hostName = "cache.example.org";
          expose.everything = true;
          acme.email = "admin@example.org";
          tokensFile = "/run/secrets/tokens";
          upload.target = "nix-store";
        }
        // options;
      }
      more
    ];
  trusting = {
    nix.settings.trusted-public-keys = [ "cache.example.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
  };
  usual = with' { } trusting;
  sized = with' {
    upload = {
      target = "nix-store";
      roots = "7d";
      spoolSize = "200GiB";
      keepFree = "20%";
    };
  } trusting;
  elsewhere = with' { settings.upload.roots_directory = "/nix/var/nix/gcroots/pushed"; } trusting;
  collected = with' {
    gc = {
      enable = true;
      keepBuilds = "14d";
      roots = [ "/srv/ci/result" ];
    };
  } trusting;
  # The directory itself, and not one that has its name as a part.
  ofUploads = has "/nix/var/nix/gcroots/rust-nix-serve ";
  ruled = with' { retention.rules.pr = { roots = [ "pr/*" ]; days = 7; }; } trusting;
  unit = machine: machine.unit "rust-nix-serve.service";
  settings = machine: machine.services.rust-nix-serve.settings.upload;
  refused = words: options: lib.any (has words) (with' options trusting).refusals;
  warned = words: more: has words (toString (with' { } more).warnings);
in
{
  "nothing is refused" = {
    got = lib.concatMap (machine: machine.refusals ++ machine.warnings) [
      collected
      elsewhere
      ruled
      sized
      usual
    ];
    want = [ ];
  };
  "the daemon is told" = {
    got = settings sized;
    want = {
      target = "nix-store";
      roots = "7d";
      spool_size = "200GiB";
      keep_free = "20%";
      spool_directory = "/var/lib/rust-nix-serve/spool";
      roots_directory = "/nix/var/nix/gcroots/rust-nix-serve";
    };
  };
  "both directories are its own, and it writes there" =
    lib.all
      (
        directory:
        has "ReadWritePaths=-${directory}\n" (unit usual)
        && has "make-directory.sh \"${directory}\" \"rust-nix-serve\" \"rust-nix-serve\"\n" (unit usual)
      )
      [
        "/var/lib/rust-nix-serve/spool"
        "/nix/var/nix/gcroots/rust-nix-serve"
      ];
  "roots may be elsewhere" =
    has "ReadWritePaths=-/nix/var/nix/gcroots/pushed\n" (unit elsewhere)
    && !(has "gcroots/rust-nix-serve" (unit elsewhere));
  "what was pushed outlives a reboot, with and without a collection" =
    lib.all (machine: !(lib.any ofUploads machine.systemd.tmpfiles.rules)) [
      collected
      usual
    ]
    && lib.elem "d /nix/var/nix/gcroots/rust-nix-serve-gc/builds 0755 root root m:14d" collected.systemd.tmpfiles.rules
    && lib.elem "R /nix/var/nix/gcroots/rust-nix-serve-gc - - - -" usual.systemd.tmpfiles.rules
    && lib.elem "R /nix/var/nix/gcroots/rust-nix-serve - - - -" elsewhere.systemd.tmpfiles.rules;
  "rules for roots need no storage" = {
    got = ruled.services.rust-nix-serve.settings.retention.rules.pr;
    want = {
      roots = [ "pr/*" ];
      days = 7;
    };
  };
  "the network stays shut" = has "PrivateNetwork=true\n" (unit usual);
  "uploads pass nginx" = has "client_max_body_size 0;" usual.nginxConf;
  "without a target nothing is made" = !(has "gcroots" (
    (evaluate [
      modules.nixos.default
      {
        services.rust-nix-serve = {
          enable = true;
          bindAddress = [ "127.0.0.1" ];
        };
      }
    ]).unit
      "rust-nix-serve.service"
  ));
  "a daemon that trusts neither key nor account takes nothing" =
    warned "trusted-public-keys" { }
    && !(warned "trusted-public-keys" { nix.settings.trusted-users = [ "rust-nix-serve" ]; });
  "an upstream is of no use" = refused "upload.assumeUpstream" {
    upload = {
      target = "nix-store";
      assumeUpstream = [ "https://cache.nixos.org" ];
    };
  };
  "nor a store that is left out" = refused "leaves out" {
    storage.url = "file:///srv/cache";
    settings.store.enabled = false;
  };
}
