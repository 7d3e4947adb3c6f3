# An ACME server for tests (pebble) and the name server that it asks, both of one package.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  certificate = pkgs.callPackage ./acme-certificate.nix { };
  settings = pkgs.writeText "pebble.json" (
    builtins.toJSON {
      pebble = {
        listenAddress = "0.0.0.0:14000";
        managementListenAddress = "0.0.0.0:15000";
        certificate = "${certificate}/cert.pem";
        privateKey = "${certificate}/key.pem";
        httpPort = 80;
        tlsPort = 443;
      };
    }
  );
  inherit (config.acme-server) answers;
in
{
  options.acme-server.answers = lib.mkOption {
    type = lib.types.attrsOf lib.types.str;
    description = "Addresses (ipv4, ipv6) of every name there is, as the ACME server sees it.";
  };

  config = {
    networking.firewall.allowedTCPPorts = [
      14000
      15000
    ];
    systemd.services.pebble-challtestsrv = {
      description = "Name server of the ACME server";
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "${pkgs.pebble}/bin/pebble-challtestsrv -dns01 127.0.0.1:8053 -http01 '' -https01 '' -tlsalpn01 '' -doh '' -defaultIPv4 ${answers.ipv4} -defaultIPv6 ${answers.ipv6}";
    };
    systemd.services.pebble = {
      description = "ACME server";
      wantedBy = [ "multi-user.target" ];
      after = [ "pebble-challtestsrv.service" ];
      environment = {
        PEBBLE_VA_NOSLEEP = "1";
        PEBBLE_WFE_NONCEREJECT = "0";
      };
      serviceConfig.ExecStart = "${pkgs.pebble}/bin/pebble -config ${settings} -dnsserver 127.0.0.1:8053";
    };
  };
}
