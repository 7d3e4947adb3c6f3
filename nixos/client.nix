# A machine that uses a cache. The same file is a module of NixOS and of nix-darwin: it sets `nix.settings` alone.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.rust-nix-serve.client;

  separator = if lib.hasInfix "?" cfg.url then "&" else "?";
  url =
    cfg.url + lib.optionalString (cfg.priority != null) "${separator}priority=${toString cfg.priority}";
  netrc = cfg.netrcFile;
in
{
  options.services.rust-nix-serve.client = {
    enable = lib.mkEnableOption "a binary cache as a source of finished store paths";

    url = mkOption {
      type = types.strMatching "[a-z0-9+-]+://.+";
      example = "https://cache.example.com";
      description = "Address of the cache.";
    };

    publicKey = mkOption {
      type = types.coercedTo types.str lib.singleton (
        types.listOf (types.strMatching "[^:[:space:]]+:[A-Za-z0-9+/]{43}=")
      );
      default = [ ];
      example = "cache.example.com-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
      description = ''
        Public key of the cache, or several: what `curl https://cache.example.com/pubkey` prints. Paths that are signed
        with none of them are refused.
      '';
    };

    netrcFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/run/secrets/cache-netrc";
      description = ''
        File with `machine HOST password TOKEN` for a cache that asks who reads it. Outside the Nix store, readable by
        root alone. It takes the place of `/etc/nix/netrc` for all caches.
      '';
    };

    priority = mkOption {
      type = types.nullOr types.ints.unsigned;
      default = null;
      example = 30;
      description = "Rank for this machine, instead of the one that the cache gives itself. The lowest is asked first; cache.nixos.org has 40.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.publicKey != [ ];
        message = "services.rust-nix-serve.client.publicKey: without a key of the cache, everything it offers is refused.";
      }
      {
        assertion = netrc == null || !(builtins.isPath netrc) && !(lib.hasPrefix builtins.storeDir netrc);
        message = ''
          services.rust-nix-serve.client.netrcFile is ${toString netrc}: in the Nix store everybody on this machine can
          read it. Name a file outside by a string, "/run/secrets/cache-netrc" for instance.
        '';
      }
    ];

    nix.settings = {
      substituters = [ url ];
      trusted-public-keys = cfg.publicKey;
    }
    // lib.optionalAttrs (netrc != null) { netrc-file = netrc; };
  };
}
