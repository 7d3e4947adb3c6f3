# nginx in front of the cache: the data of data/nginx.nix as defaults of a virtual host.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkDefault mkIf;
  cfg = config.services.rust-nix-serve;
  data = import ../data/nginx.nix {
    socket = cfg.proxySocket.path;
    narCache = if cfg.narCache.enable then cfg.narCache.directory else null;
  };

  host = config.services.nginx.virtualHosts.${cfg.hostName};

  # Strings are added to, everything else gives way to what the user says.
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
        { ... }:
        {
          imports = [ cfg.nginx.virtualHost ];
          config = withDefaults data.virtualHost // {
            enableACME = mkDefault cfg.nginx.enableACME;
            forceSSL = mkDefault cfg.nginx.forceSSL;
          };
        };
    };

    # To read the NAR cache.
    users.users.${config.services.nginx.user} = mkIf cfg.narCache.enable {
      extraGroups = [ "rust-nix-serve" ];
    };

    security.acme = mkIf host.enableACME {
      acceptTerms = mkDefault true;
      certs.${cfg.hostName}.email =
        if cfg.acme.email != null then
          mkDefault cfg.acme.email
        else if config.security.acme.defaults.email == null then
          # Weaker than anything that is written, stronger than nothing.
          lib.mkOverride 1400 "hostmaster@${cfg.hostName}"
        else
          mkDefault config.security.acme.defaults.email;
    };
  };
}
