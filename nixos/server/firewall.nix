# The ports that other machines need, read from the real listeners.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
  nginx = config.services.nginx;
  host = nginx.virtualHosts.${cfg.hostName};
in
{
  options.services.rust-nix-serve.openPorts = lib.mkOption {
    type = lib.types.listOf lib.types.port;
    internal = true;
    readOnly = true;
    default = import ../data/ports.nix {
      virtualHost =
        if cfg.nginx.enable && cfg.hostName != null then
          {
            inherit (host)
              listen
              forceSSL
              addSSL
              onlySSL
              ;
            inherit (nginx) defaultListen;
            listenAddresses =
              if host.listenAddresses != [ ] then host.listenAddresses else nginx.defaultListenAddresses;
            httpPort = nginx.defaultHTTPListenPort;
            httpsPort = nginx.defaultSSLListenPort;
          }
        else
          null;
      inherit (cfg.listeners) addresses;
      inherit (cfg) port;
    };
    description = "Ports on which something of the cache listens for other machines.";
  };

  config = lib.mkIf (cfg.enable && cfg.openFirewall) {
    networking.firewall.allowedTCPPorts = lib.unique cfg.openPorts;
  };
}
