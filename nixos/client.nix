# A machine that uses caches. The same file is a module of NixOS and of nix-darwin: it sets `nix.settings` alone.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.rust-nix-serve.client;
in
{
  imports = [ ./client/caches.nix ];

  config.nix.settings = lib.mkIf cfg.enable (
    {
      substituters = cfg.urls;
      trusted-public-keys = cfg.publicKeys;
    }
    // cfg.otherSettings
  );
}
