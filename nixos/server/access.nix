# Who may read the cache.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.rust-nix-serve;
in
{
  options.services.rust-nix-serve = {
    tokensFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/run/secrets/cache-tokens";
      description = ''
        File with the tokens of those who may use the cache, a line each, as `rust-nix-serve token create` prints it.
        Written as a string, like {option}`secretKeyFile`, and readable by root alone. A changed file takes effect
        without a restart, within seconds. With it the cache is private, unless {option}`access.anonymous` says
        otherwise.
      '';
    };

    access.anonymous = mkOption {
      type = types.listOf types.str;
      default = if cfg.tokensFile == null then [ "read" ] else [ ];
      defaultText = lib.literalMD "`[ \"read\" ]` without a `tokensFile`, and nothing with one";
      description = "What somebody without a token may do: `read`, `metrics`.";
    };

    access.trustedProxies = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "10.0.0.1" ];
      description = ''
        Addresses of other proxies in front of {option}`bindAddress`, from which the address of the client is believed. The
        nginx of this module needs no mention.
      '';
    };
  };

  config.services.rust-nix-serve.settings = lib.mkIf cfg.enable (
    lib.mkMerge [
      (lib.mkIf (cfg.tokensFile != null) {
        access = {
          tokens = cfg.secretsDirectory + toString cfg.tokensFile;
          inherit (cfg.access) anonymous;
        };
      })
      (lib.mkIf (cfg.access.anonymous != [ "read" ]) { access = { inherit (cfg.access) anonymous; }; })
      (lib.mkIf (cfg.access.trustedProxies != [ ]) {
        access.trusted_proxies = cfg.access.trustedProxies;
      })
    ]
  );
}
