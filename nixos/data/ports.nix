# Ports on which something of the cache listens for other machines, and which a firewall therefore opens. Plain data.
{
  # A virtual host of nginx as NixOS describes it, the defaults of nginx filled in (`defaultListen`, which may be missing,
  # goes before addresses without ports); null without nginx.
  virtualHost ? null,
  # Addresses on which the cache answers without nginx, and the port.
  addresses ? [ ],
  port ? 5000,
}:
let
  isLoopback =
    address: builtins.match "127\\..*|::1|\\[::1]|localhost" address != null;
  isPublic = address: !isLoopback address && builtins.match "unix:.*" address == null;
  isOpen = builtins.any isPublic;
  optional = condition: value: if condition then [ value ] else [ ];

  portsOf =
    listens:
    map (listen: listen.port) (
      builtins.filter (listen: listen.port != null && isPublic listen.addr) listens
    );
  # Nothing said about TLS is both, as far as the host has both.
  filled =
    host: listen:
    let
      encrypts = host.forceSSL || host.addSSL || host.onlySSL;
      port = default: { inherit (listen) addr; port = if listen.port or null == null then default else listen.port; };
      ssl = listen.ssl or null;
    in
    optional (encrypts && ssl != false) (port host.httpsPort)
    ++ optional (!host.onlySSL && ssl != true) (port host.httpPort);

  ofVirtualHost =
    host:
    if host.listen != [ ] then
      portsOf host.listen
    else if host.defaultListen or [ ] != [ ] then
      portsOf (builtins.concatMap (filled host) host.defaultListen)
    else if isOpen host.listenAddresses then
      optional (!host.onlySSL) host.httpPort
      ++ optional (host.forceSSL || host.addSSL || host.onlySSL) host.httpsPort
    else
      [ ];
in
(if virtualHost == null then [ ] else ofVirtualHost virtualHost) ++ optional (isOpen addresses) port
