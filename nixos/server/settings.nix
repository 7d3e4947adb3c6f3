# From options to the daemon's configuration file, checked where the building machine can run the program.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkDefault mkOption types;
  cfg = config.services.rust-nix-serve;

  secretKeyFiles = lib.unique (
    lib.optional (cfg.secretKeyFile != null) cfg.secretKeyFile ++ cfg.secretKeyFiles
  );
  host = config.services.nginx.virtualHosts.${cfg.hostName};
  isEncrypted =
    if cfg.nginx.enable then
      host.forceSSL || host.addSSL || host.onlySSL
    else
      # Of another server in front instead, nothing is known.
      cfg.nginx.enableACME;
  scheme = if isEncrypted then "https" else "http";

  written = (pkgs.formats.toml { }).generate "rust-nix-serve.toml" cfg.daemonSettings;
  checked =
    pkgs.runCommand "rust-nix-serve-checked.toml"
      {
        nativeBuildInputs = [ cfg.package ];
        # The socket that systemd will pass.
        LISTEN_FDNAMES = lib.optionalString cfg.nginx.enable "nginx";
      }
      ''
        rust-nix-serve check-config --skip-files --config ${written}
        cp ${written} $out
      '';
  canRun = pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform;
in
{
  options.services.rust-nix-serve = {
    signingKeys = mkOption {
      type = types.listOf types.str;
      internal = true;
      readOnly = true;
      description = "Secret keys as root finds them: the administrator's files and the generated one.";
    };
    configFile = mkOption {
      type = types.path;
      internal = true;
      readOnly = true;
      description = "The configuration of the daemon.";
    };
  };

  config.services.rust-nix-serve = lib.mkIf cfg.enable {
    signingKeys = map toString secretKeyFiles ++ lib.optional cfg.generateSecretKey cfg.generatedKey;
    configFile = if canRun then checked else written;

    settings = {
      signing.keys = secretKeyFiles ++ lib.optional cfg.generateSecretKey cfg.generatedKey;
      shutdown_grace = mkDefault "${toString cfg.shutdownGrace}s";
      cache_info.priority = mkDefault cfg.priority;
    }
    // lib.optionalAttrs (cfg.hostName != null) {
      public_url = mkDefault "${scheme}://${cfg.hostName}";
    }
    // lib.optionalAttrs cfg.narCache.enable {
      nar_cache = {
        compression = mkDefault "zstd";
        size = cfg.narCache.maxSize;
        inherit (cfg.narCache) directory;
        prewarm_roots = map toString cfg.narCache.prewarm.roots;
        prewarm_new = cfg.narCache.prewarm.newPaths;
      };
    }
    // lib.optionalAttrs (cfg.narCache.enable && cfg.nginx.enable) {
      nginx.location = "/nar-cache/";
    };
  };
}
