# Issuers of short-lived tokens, such as CI services.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
  part = import ./parts/provider.nix { inherit lib; };
in
{
  options.services.rust-nix-serve.oidc.providers = lib.mkOption {
    type = lib.types.attrsOf (part.type (cfg.settings.public_url or null));
    default = { };
    example = {
      github = {
        issuer = "https://token.actions.githubusercontent.com";
        claims.repository_owner_id = "1234567";
      };
    };
    description = ''
      Services whose tokens are taken (OpenID Connect), by names of your choice. With one the cache is private, unless
      {option}`access.anonymous` says otherwise, and the daemon gets access to the network, to fetch the issuer's keys.
    '';
  };

  config = lib.mkIf cfg.enable {
    services.rust-nix-serve.settings = lib.mkIf (cfg.oidc.providers != { }) {
      access.oidc = lib.mapAttrs (_: part.toSettings) cfg.oidc.providers;
    };
    assertions = part.assertions "services.rust-nix-serve.oidc.providers" cfg.oidc.providers;
  };
}
