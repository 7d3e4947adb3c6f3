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
          hostName = "cache.example.org";
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
      virtualHost.useACMEHost = "example.org";
    };
  } {
    security.acme.acceptTerms = true;
    security.acme.certs."example.org" = {
      email = "admin@example.org";
      dnsProvider = "rfc2136";
      environmentFile = "/run/secrets/dns";
      domain = "*.example.org";
      group = "nginx";
    };
  };
  dns = with' {
    acme.email = "admin@example.org";
    nginx.virtualHost.acmeRoot = null;
  } {
    security.acme.certs."cache.example.org" = {
      dnsProvider = "rfc2136";
      environmentFile = "/run/secrets/dns";
    };
  };
  known = with' { } { security.acme.defaults.email = "all@example.org"; };
  agreed = with' { } { security.acme.acceptTerms = true; };
  declined = with' { } { security.acme.acceptTerms = false; };
  private = with' { acme.email = "admin@example.org"; } {
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
    && builtins.attrNames shared.security.acme.certs == [ "example.org" ]
    && has "ssl_certificate /var/lib/acme/example.org/fullchain.pem;" shared.nginxConf;
  "DNS-01" =
    dns.refusals == [ ] && dns.security.acme.certs."cache.example.org".webroot == null;
  "the account has the address that is written, here or for all certificates" = {
    got = map (machine: machine.security.acme.certs."cache.example.org".email) [
      dns
      known
    ];
    want = [
      "admin@example.org"
      "all@example.org"
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
    && private.security.acme.certs."cache.example.org".server == "https://ca.lan/acme/directory";
}
