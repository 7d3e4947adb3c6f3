# A certificate in the virtual host, by one line and nothing beside it: no other is ordered, it is used, and plain HTTP
# is as the line says. Here, and in services.nginx.virtualHosts.
{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  name = "cache.example.org";
  certificate = {
    sslCertificate = "/run/secrets/cert.pem";
    sslCertificateKey = "/run/secrets/key.pem";
  };
  shared = {
    useACMEHost = "example.org";
  };
  with' =
    options: more:
    evaluate [
      modules.nixos.default
      {
        services.rust-nix-serve = {
          enable = true;
          hostName = name;
          expose.everything = true;
        }
        // options;
        # For other names, and agreed to there.
        security.acme.acceptTerms = true;
        security.acme.certs."example.org" = {
          email = "admin@example.org";
          dnsProvider = "rfc2136";
          environmentFile = "/run/secrets/dns";
          group = "nginx";
        };
      }
      more
    ];
  here = virtualHost: with' { nginx = { inherit virtualHost; }; } { };
  there = virtualHost: with' { } { services.nginx.virtualHosts.${name} = virtualHost; };

  # The effects: certificates that are ordered, the one that nginx shows, the ports, the advice for clients.
  summary = machine: {
    inherit (machine) refusals warnings;
    ordered = lib.attrNames machine.security.acme.certs;
    shown =
      let
        lines = lib.filter (lib.hasInfix "ssl_certificate ") (lib.splitString "\n" machine.nginxConf);
      in
      lib.unique (map (line: lib.removeSuffix ";" (lib.last (lib.splitString " " line))) lines);
    redirects = has "return 301 https://$host$request_uri;" machine.nginxConf;
    ports = lib.sort lib.lessThan machine.networking.firewall.allowedTCPPorts;
    url = machine.services.rust-nix-serve.settings.public_url;
  };
  good = {
    refusals = [ ];
    warnings = [ ];
    ordered = [ "example.org" ];
    shown = [ "/run/secrets/cert.pem" ];
    redirects = true;
    ports = [
      80
      443
    ];
    url = "https://cache.example.org";
  };
  fromACME = good // {
    shown = [ "/var/lib/acme/example.org/fullchain.pem" ];
  };
  # Both at once, or HTTPS alone: an explicit setting wants no redirect.
  both = good // {
    redirects = false;
  };
  alone = both // {
    ports = [ 443 ];
  };
  each = virtualHost: want: {
    got = map (write: summary (write virtualHost)) [
      here
      there
    ];
    want = [
      want
      want
    ];
  };
in
{
  "sslCertificate" = each certificate good;
  "useACMEHost" = each shared fromACME;
  "sslCertificate and addSSL" = each (certificate // { addSSL = true; }) both;
  "sslCertificate and onlySSL" = each (certificate // { onlySSL = true; }) alone;
  "useACMEHost and addSSL" = each (shared // { addSSL = true; }) (
    fromACME // { redirects = false; }
  );
  "useACMEHost and onlySSL" = each (shared // { onlySSL = true; }) (
    fromACME
    // {
      redirects = false;
      ports = [ 443 ];
    }
  );
  # Of ours, for want of another.
  "addSSL" = each { addSSL = true; } (
    both
    // {
      ordered = [
        name
        "example.org"
      ];
      shown = [ "/var/lib/acme/${name}/fullchain.pem" ];
    }
  );
  "onlySSL" = each { onlySSL = true; } (
    alone
    // {
      ordered = [
        name
        "example.org"
      ];
      shown = [ "/var/lib/acme/${name}/fullchain.pem" ];
    }
  );
  "forceSSL = false with a certificate of one's own" = {
    got = (summary (with' { nginx = { forceSSL = false; virtualHost = certificate // { addSSL = true; }; }; } { })).redirects;
    want = false;
  };
}
