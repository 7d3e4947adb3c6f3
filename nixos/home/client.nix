# A user who uses caches, by the nix.conf of that user: for home-manager.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.rust-nix-serve.client;
in
{
  imports = [ ../client/caches.nix ];

  # Beside the caches of the system, which a list of this name would replace.
  config.nix.settings = lib.mkIf cfg.enable (
    {
      extra-substituters = cfg.urls;
      extra-trusted-public-keys = cfg.publicKeys;
    }
    // cfg.otherSettings
  );
}
