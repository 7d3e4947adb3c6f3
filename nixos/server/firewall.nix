# Which ports other machines need, read from what really listens.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
  nginx = config.services.nginx;

  isLoopback =
    address: lib.hasPrefix "127." address || address == "::1" || address == "[::1]" || address == "localhost";
  isPublic = address: !isLoopback address && !lib.hasPrefix "unix:" address;

  ofVirtualHost =
    host:
    let
      encrypted = host.forceSSL || host.addSSL || host.onlySSL;
      addresses = if host.listenAddresses != [ ] then host.listenAddresses else nginx.defaultListenAddresses;
    in
    if host.listen != [ ] then
      map (listen: listen.port) (
        lib.filter (listen: listen.port != null && isPublic listen.addr) host.listen
      )
    else if lib.any isPublic addresses then
      lib.optional (!host.onlySSL) nginx.defaultHTTPListenPort
      ++ lib.optional encrypted nginx.defaultSSLListenPort
    else
      [ ];
in
{
  options.services.rust-nix-serve.openPorts = lib.mkOption {
    type = lib.types.listOf lib.types.port;
    internal = true;
    readOnly = true;
    default =
      lib.optionals (cfg.nginx.enable && cfg.hostName != null) (
        ofVirtualHost nginx.virtualHosts.${cfg.hostName}
      )
      ++ lib.optional (lib.any isPublic cfg.bindAddress) cfg.port;
    description = "Ports on which something of the cache listens for other machines.";
  };

  config = lib.mkIf (cfg.enable && cfg.openFirewall) {
    networking.firewall.allowedTCPPorts = cfg.openPorts;
  };
}
