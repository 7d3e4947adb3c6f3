# nginx in front of the cache: the data of data/nginx.nix as defaults of a virtual host.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib) mkDefault mkIf;
  cfg = config.services.rust-nix-serve;
  data = import ../data/nginx.nix {
    socket = cfg.proxySocket.path;
    narCache = if cfg.narCache.enable then cfg.narCache.directory else null;
    headersMore = lib.any (module: module.name or "" == "moreheaders") (
      config.services.nginx.package.modules or [ ]
    );
    uploads = if cfg.upload.isTaken then cfg.upload.enable else null;
    # A literal becomes a file in the store: certificates are no secret.
    clientCa = if cfg.access.clientCa == null then null else "${cfg.access.clientCa}";
  };

  host = config.services.nginx.virtualHosts.${cfg.hostName};
  acme = config.security.acme;
  fallback = "hostmaster@${cfg.hostName}";
  # An address or an agreement in the configuration, here or for all certificates, shows that its author knows of the account.
  decided =
    acme.certs.${cfg.hostName}.email != fallback
    || options.security.acme.acceptTerms.highestPrio < (mkDefault null).priority;

  isWritten = lib.mapAttrs (_: option: option.highestPrio < (lib.mkOptionDefault null).priority) {
    inherit (options.services.rust-nix-serve.nginx) forceSSL;
  };

  # Those of caches with names.
  aliases = lib.unique (lib.concatMap (cache: cache.hosts) (lib.attrValues cfg.caches));

  # Strings are added to, everything else gives way to the user's definitions.
  withDefaults = lib.mapAttrsRecursive (
    path: value: if lib.last path == "extraConfig" then value else mkDefault value
  );
in
{
  config = mkIf (cfg.enable && cfg.nginx.enable && cfg.hostName != null) {
    services.nginx = {
      enable = true;
      inherit (data) upstreams;
      # A function: only so may a module of the user's be imported into the one of the virtual host.
      virtualHosts.${cfg.hostName} =
        { config, options, ... }:
        let
          # Here or in services.nginx.virtualHosts: then none is ordered, and it is used.
          hasOwn = config.useACMEHost != null || options.sslCertificate.isDefined;
          forced = if isWritten.forceSSL then cfg.nginx.forceSSL else hasOwn || cfg.nginx.forceSSL;
        in
        {
          imports = [ cfg.nginx.virtualHost ];
          config = withDefaults data.virtualHost // {
            serverAliases = lib.remove cfg.hostName aliases;
            enableACME = mkDefault (cfg.nginx.enableACME && !hasOwn);
            forceSSL = mkDefault (forced && !config.addSSL && !config.onlySSL);
          };
        };
    };

    # To read the NAR cache.
    users.users.${config.services.nginx.user} = mkIf cfg.narCache.enable {
      extraGroups = [ cfg.narCacheGroup ];
    };

    security.acme = mkIf host.enableACME {
      acceptTerms = mkDefault true;
      certs.${cfg.hostName}.email =
        if cfg.acme.email != null then
          mkDefault cfg.acme.email
        else if acme.defaults.email == null then
          # Weaker than anything that is written, stronger than nothing.
          lib.mkOverride 1400 fallback
        else
          mkDefault acme.defaults.email;
    };

    warnings = lib.optional (host.enableACME && !decided) ''
      services.rust-nix-serve.hostName: the certificate of ${cfg.hostName} is ordered from
      ${acme.certs.${cfg.hostName}.server} in the name of ${fallback}, and the terms of that server are
      accepted for you. To agree, write your address into services.rust-nix-serve.acme.email, or
      security.acme.acceptTerms = true; for no certificate, services.rust-nix-serve.nginx.enableACME = false.
    '';
  };
}
