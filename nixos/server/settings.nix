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

  secretKeyFiles = lib.optional (cfg.secretKeyFile != null) cfg.secretKeyFile ++ cfg.secretKeyFiles;
  scheme = if cfg.nginx.forceSSL || cfg.nginx.enableACME then "https" else "http";

  written = (pkgs.formats.toml { }).generate "rust-nix-serve.toml" cfg.settings;
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
    secrets = mkOption {
      type = types.listOf types.raw;
      internal = true;
      readOnly = true;
      description = "Secret files of the administrator, to be copied for the daemon, and the options that name them.";
    };
    secretsDirectory = mkOption {
      type = types.str;
      internal = true;
      readOnly = true;
      description = "Where the daemon finds its copies, each below it by its whole path.";
    };
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
    # toString, never interpolation: that would copy a path literal into the store before it can be refused.
    secrets =
      let
        named = option: file: {
          namedBy = "services.rust-nix-serve.${option}";
          file = toString file;
        };
      in
      lib.optional (cfg.secretKeyFile != null) (named "secretKeyFile" cfg.secretKeyFile)
      ++ map (named "secretKeyFiles") (lib.remove cfg.secretKeyFile (lib.unique cfg.secretKeyFiles))
      ++ lib.optional (cfg.tokensFile != null && !cfg.tokensInStore) (named "tokensFile" cfg.tokensFile);
    secretsDirectory = "/run/rust-nix-serve-keys";
    signingKeys =
      map toString secretKeyFiles
      ++ lib.optional cfg.generateSecretKey "/var/lib/rust-nix-serve/secret-key";
    configFile = if canRun then checked else written;

    settings = {
      signing.keys =
        map (file: cfg.secretsDirectory + toString file) (lib.unique secretKeyFiles)
        ++ lib.optional cfg.generateSecretKey "/var/lib/rust-nix-serve/secret-key";
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
