# What is refused, and that the message says what to do.
{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  refusals =
    options:
    (evaluate [
      modules.nixos.default
      { services.rust-nix-serve = { enable = true; } // options; }
    ]).refusals;
  refused = words: options: lib.any (has words) (refusals options);
  public = {
    hostName = "cache.example.com";
    expose.everything = true;
  };
in
{
  "a public store that nobody decided on" = refused "expose.everything = true" {
    hostName = "cache.example.com";
  };
  "a denied pattern alone does not say what is shown" = refused "what it shows is not written" {
    hostName = "cache.example.com";
    expose.deny = [ "*-secrets*" ];
  };
  "everything and a choice" = refused "contradict" (
    public // { expose = { everything = true; roots = [ "/run/current-system" ]; }; }
  );
  "a root that the daemon cannot see" = refused "/home/alice/result" {
    expose.roots = [ "/home/alice/result" ];
  };
  "a root to compress that the daemon cannot see" = refused "narCache.prewarm.roots: /root/result" {
    narCache.enable = true;
    narCache.prewarm.roots = [ "/root/result" ];
  };
  "a public store that somebody decided on is fine" = {
    got = refusals public;
    want = [ ];
  };
  "a key in the store" = refused "Keep it outside" { secretKeyFile = "${builtins.storeDir}/abc-key"; };
  "a key as a path literal" = refused "path literal" { secretKeyFile = ./refusals.nix; };
  "one of several keys in the store" = refused "secretKeyFiles" {
    secretKeyFiles = [
      "/run/secrets/a"
      "${builtins.storeDir}/abc-key"
    ];
  };
  "nginx without a name" = refused "hostName" { nginx.enable = true; };
  "listeners from two sides" =
    refused "settings.listen" (public // { settings.listen = [ "127.0.0.1:1" ]; })
    && refused "settings.listen" {
      settings.listen = [ "127.0.0.1:1" ];
      bindAddress = "127.0.0.1";
    };
  "SSH that lets nobody in" = refused "ssh.keys" { ssh.enable = true; };
}
