# Ways to a certificate, and none.
{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  with' =
    options: more:
    evaluate [
      modules.nixos.default
      {
        services.rust-nix-serve = {
          enable = true;
          hostName = "cache.example.com";
          expose.everything = true;
        }
        // options;
      }
      more
    ];
  lan =
    evaluate [
      modules.nixos.default
      {
        services.rust-nix-serve = {
          enable = true;
          hostName = "cache";
          expose.everything = true;
          nginx.virtualHost.serverAliases = [ "cache.lan" ];
        };
      }
    ];
  own = with' {
    nginx = {
      enableACME = false;
      forceSSL = true;
      virtualHost = {
        sslCertificate = "/run/secrets/cert.pem";
        sslCertificateKey = "/run/secrets/key.pem";
      };
    };
  } { };
  shared = with' {
    nginx = {
      enableACME = false;
      forceSSL = true;
      virtualHost.useACMEHost = "example.com";
    };
  } {
    security.acme.acceptTerms = true;
    security.acme.certs."example.com" = {
      email = "admin@example.com";
      dnsProvider = "rfc2136";
      environmentFile = "/run/secrets/dns";
      domain = "*.example.com";
      group = "nginx";
    };
  };
  dns = with' {
    acme.email = "admin@example.com";
    nginx.virtualHost.acmeRoot = null;
  } {
    security.acme.certs."cache.example.com" = {
      dnsProvider = "rfc2136";
      environmentFile = "/run/secrets/dns";
    };
  };
  known = with' { } { security.acme.defaults.email = "all@example.com"; };
  agreed = with' { } { security.acme.acceptTerms = true; };
  declined = with' { } { security.acme.acceptTerms = false; };
  private = with' { acme.email = "admin@example.com"; } {
    security.acme.defaults.server = "https://ca.lan/acme/directory";
  };
in
{
  "a name without a dot: plain HTTP, no certificate" =
    lan.refusals == [ ]
    && lan.networking.firewall.allowedTCPPorts == [ 80 ]
    && lan.security.acme.certs == { }
    && has "server_name cache cache.lan" lan.nginxConf;
  "clients of it are told http" = {
    got = lan.services.rust-nix-serve.settings.public_url;
    want = "http://cache";
  };
  "a certificate of one's own" =
    own.refusals == [ ]
    && own.security.acme.certs == { }
    && has "ssl_certificate /run/secrets/cert.pem;" own.nginxConf;
  "both ports with it" = {
    got = own.networking.firewall.allowedTCPPorts;
    want = [
      80
      443
    ];
  };
  "a certificate shared with other hosts" =
    shared.refusals == [ ]
    && builtins.attrNames shared.security.acme.certs == [ "example.com" ]
    && has "ssl_certificate /var/lib/acme/example.com/fullchain.pem;" shared.nginxConf;
  "DNS-01" =
    dns.refusals == [ ] && dns.security.acme.certs."cache.example.com".webroot == null;
  "the account has the address that is written, here or for all certificates" = {
    got = map (machine: machine.security.acme.certs."cache.example.com".email) [
      dns
      known
    ];
    want = [
      "admin@example.com"
      "all@example.com"
    ];
  };
  "an address, or the agreement, is no warning" = {
    got = lib.concatMap (machine: machine.warnings) [
      agreed
      dns
      known
      lan
      own
      shared
    ];
    want = [ ];
  };
  "terms that are not accepted are not accepted" = lib.any (has "acceptTerms") declined.refusals;
  "a private ACME server" =
    private.refusals == [ ]
    && private.security.acme.certs."cache.example.com".server == "https://ca.lan/acme/directory";
}
