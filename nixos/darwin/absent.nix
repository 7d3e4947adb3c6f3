# Options of the module that have no meaning on macOS: refused, with advice.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
  option = name: "services.rust-nix-serve.${name}";
  refuse = name: isWritten: instead: {
    assertion = !isWritten;
    message = "${option name} does not exist on macOS: ${instead}.";
  };
in
{
  config = lib.mkIf cfg.enable {
    # The effects of a host name on NixOS.
    services.rust-nix-serve = {
      nginx.enable = lib.mkDefault false;
      nginx.enableACME = lib.mkDefault false;
      openFirewall = lib.mkDefault false;
    };

    assertions = [
      (refuse "nginx.enable" cfg.nginx.enable ''
        no nginx is set up here. The daemon speaks TLS itself (${option "settings.listen"} = [ "tls://…" ], with
        ${option "settings.tls"}), or another proxy stands in front'')
      (refuse "nginx.enableACME" (cfg.nginx.enableACME || cfg.acme.email != null) ''
        certificates are not ordered here. Name the files of one in ${option "settings.tls"}'')
      (refuse "access.clientCa" (cfg.access.clientCa != null) ''
        it is for nginx. The daemon asks for certificates itself: ${option "settings.tls.client_ca"}'')
      (refuse "openFirewall" cfg.openFirewall ''
        the firewall of macOS knows programs and no ports, and asks its user'')
      (refuse "ssh.enable" cfg.ssh.enable ''
        clients reach the store of a Mac by ssh-ng:// with Remote Login'')
      (refuse "gc.enable" cfg.gc.enable ''
        nix.gc of nix-darwin collects, and links in /nix/var/nix/gcroots keep'')
      (refuse "prometheus.enable" cfg.prometheus.enable ''
        there is no Prometheus here. A listener for metrics is ${option "settings.metrics.listen"}'')
      (refuse "index.createLocally" cfg.index.createLocally ''
        the index is a file of SQLite, or a database that ${option "index.url"} names'')
    ];
  };
}
