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
  "a public store that somebody decided on is fine" = {
    got = refusals public;
    want = [ ];
  };
  "a key in the store" = refused "Keep the key outside" { secretKeyFile = "${builtins.storeDir}/abc-key"; };
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
  "metrics of a listener that systemd does not have" = refused "scrapeConfigs" {
    settings.listen = [ "127.0.0.1:1" ];
    prometheus.enable = true;
  };
}
