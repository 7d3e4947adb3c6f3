# The units of data/unit.nix as NixOS options.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
  user = "rust-nix-serve";
  configFile = "rust-nix-serve/config.toml";
  changes = import ../data/reload.nix cfg.daemonSettings;
  trigger = part: builtins.hashString "sha256" (builtins.toJSON part);

  # Issuers of tokens, of all caches: their keys are fetched.
  issuers = lib.any (access: (access.oidc or { }) != { }) (
    map (part: part.access or { }) ([ cfg.settings ] ++ lib.attrValues (cfg.settings.cache or { }))
  );

  upstreams = cfg.settings ? storage.url && (cfg.settings.upload.assume_upstream or [ ]) != [ ];
  # Nothing else has the daemon connect to others.
  connects = issuers || upstreams || cfg.hasBucket || cfg.connectsToIndex;

  units = import ../parts/units.nix { inherit lib; } (import ../data/unit.nix {
    program = lib.getExe cfg.package;
    # The same path for every content: a reload finds the new one there.
    config = "/etc/${configFile}";
    inherit user;
    inherit (cfg) secrets secretsDirectory shutdownGrace;
    proxySocket = if cfg.nginx.enable then cfg.proxySocket else null;
    addresses = cfg.listeners.streams;
    metricsAddresses = cfg.listeners.metricsStreams;
    narCache = if cfg.narCache.enable then cfg.narCache.directory else null;
    inherit (cfg) narCacheGroup;
    ownListeners = cfg.settings ? listen;
    inherit connects;
    storage = cfg.storageDirectory;
    index = cfg.indexDirectory;
    pushed = cfg.upload.directories;
    bucket = cfg.hasBucket;
    bucketCredentials =
      if cfg.storage.credentialsFile == null then
        null
      else
        cfg.secretsDirectory + toString cfg.storage.credentialsFile;
    generateKey =
      if cfg.generateSecretKey then
        {
          name = cfg.keyName;
          directory = "rust-nix-serve";
        }
      else
        null;
    shell = pkgs.runtimeShell;
    copySecrets = "${../scripts/copy-secrets.sh}";
    makeKey = "${../scripts/make-key.sh}";
    signStore = "${../scripts/sign-store.sh}";
    makeDirectory = "${../scripts/make-directory.sh}";
    signStoreWith = lib.optionals cfg.ssh.enable cfg.signingKeys;
  });
in
{
  options.services.rust-nix-serve.proxySocket = lib.mkOption {
    type = lib.types.attrsOf lib.types.str;
    internal = true;
    readOnly = true;
    default = {
      path = "/run/rust-nix-serve/http.sock";
      inherit (config.services.nginx) group;
    };
    description = "The socket on which nginx reaches the daemon, and the group that may use it.";
  };

  options.services.rust-nix-serve.narCacheGroup = lib.mkOption {
    type = lib.types.str;
    internal = true;
    readOnly = true;
    # Not the daemon's own: nginx is in it.
    default = if cfg.nginx.enable then "rust-nix-serve-nars" else user;
    description = "The group of the files in the NAR cache.";
  };

  config = lib.mkIf cfg.enable {
    environment.etc.${configFile}.source = cfg.configFile;

    systemd.services = lib.mkMerge [
      units.services
      {
        rust-nix-serve = {
          # A key that a reload takes up cuts no download.
          reloadTriggers = [ (trigger changes.reload) ];
          restartTriggers = [ (trigger changes.restart) ];
        };
      }
      (lib.mkIf connects { rust-nix-serve.environment = config.networking.proxy.envVars; })
    ];
    systemd.sockets = units.sockets;
    systemd.timers = units.timers;

    users.users.${user} = {
      isSystemUser = true;
      group = user;
      description = "Nix binary cache";
    };
    users.groups = lib.genAttrs [ user cfg.narCacheGroup ] (_: { });

    # systemd makes the one below /var/cache itself.
    systemd.tmpfiles.rules =
      lib.mkIf (cfg.narCache.enable && !(lib.hasPrefix "/var/cache/" cfg.narCache.directory))
        [
          "d ${cfg.narCache.directory} 0750 ${user} ${cfg.narCacheGroup} -"
        ];

    # Holds paths that are being downloaded against garbage collection. Added to any list that there is.
    nix.settings.extra-allowed-users = [ user ];

    environment.systemPackages = [ cfg.package ];
  };
}
