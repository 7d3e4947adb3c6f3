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

  # Prometheus speaks no unix sockets.
  loopback = "127.0.0.1";
  reachesLoopback = lib.any (address: lib.elem address cfg.bindAddress) [
    loopback
    "0.0.0.0"
    "::"
  ];
  addresses = cfg.bindAddress ++ lib.optional (cfg.prometheus.enable && !reachesLoopback) loopback;
  withPort = address: "${if lib.hasInfix ":" address then "[${address}]" else address}:${toString cfg.port}";

  units = import ../data/unit.nix {
    program = lib.getExe cfg.package;
    config = cfg.configFile;
    inherit user;
    inherit (cfg) secrets secretsDirectory;
    proxySocket = if cfg.nginx.enable then cfg.proxySocket else null;
    addresses = map withPort addresses;
    narCache = if cfg.narCache.enable then cfg.narCache.directory else null;
    ownListeners = cfg.settings ? listen;
    generateKey =
      if cfg.generateSecretKey then
        {
          name = cfg.keyName;
          directory = "rust-nix-serve";
        }
      else
        null;
    shell = pkgs.runtimeShell;
    systemctl = "${config.systemd.package}/bin/systemctl";
    copySecrets = "${../scripts/copy-secrets.sh}";
    makeKey = "${../scripts/make-key.sh}";
    signStore = "${../scripts/sign-store.sh}";
    signStoreWith = lib.optionals cfg.ssh.enable cfg.signingKeys;
  };

  # Settings that NixOS has an option of its own for, so that others can add to them.
  known = {
    Description = "description";
    After = "after";
    Before = "before";
    Wants = "wants";
    Requires = "requires";
  };
  common =
    unit:
    lib.mapAttrs' (name: lib.nameValuePair known.${name}) (lib.intersectAttrs known unit.Unit)
    // {
      unitConfig = removeAttrs unit.Unit (lib.attrNames known);
      wantedBy = unit.Install.WantedBy or [ ];
    };
  # Helpers find their programs in the PATH that NixOS gives every service.
  service =
    unit:
    common unit
    // {
      serviceConfig = removeAttrs unit.Service [ "Environment" ];
      # Restarted in one step: the socket stays, clients wait a moment instead of being refused.
      stopIfChanged = false;
    };
  ofKind =
    suffix: convert:
    lib.mapAttrs' (name: unit: lib.nameValuePair (lib.removeSuffix suffix name) (convert unit)) (
      lib.filterAttrs (name: _: lib.hasSuffix suffix name) units
    );
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

  config = lib.mkIf cfg.enable {
    systemd.services = ofKind ".service" service;
    systemd.sockets = ofKind ".socket" (unit: common unit // { socketConfig = unit.Socket; });
    systemd.paths = ofKind ".path" (unit: common unit // { pathConfig = unit.Path; });

    users.users.${user} = {
      isSystemUser = true;
      group = user;
      description = "Nix binary cache";
    };
    users.groups.${user} = { };

    # systemd makes the one below /var/cache itself.
    systemd.tmpfiles.rules =
      lib.mkIf (cfg.narCache.enable && !(lib.hasPrefix "/var/cache/" cfg.narCache.directory))
        [
          "d ${cfg.narCache.directory} 0750 ${user} ${user} -"
        ];

    # Holds what is being downloaded against garbage collection. Added to whatever list there is.
    nix.settings.extra-allowed-users = [ user ];

    environment.systemPackages = [ cfg.package ];
  };
}
