# Certificates of clients, which nginx checks.
{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  with' =
    options:
    evaluate [
      modules.nixos.default
      {
        services.rust-nix-serve = {
          enable = true;
          hostName = "cache.example.org";
          acme.email = "admin@example.org";
          expose.everything = true;
          narCache.enable = true;
        }
        // options;
      }
    ];
  machine = with' {
    access = {
      clientCa = "/etc/client-ca.pem";
      subjects = [ "read: O=Example" ];
    };
  };
  literal = with' { access.clientCa = ./client-certificates.nix; };
  without = with' { };
  unencrypted = with' {
    hostName = "cache";
    access.clientCa = "/etc/client-ca.pem";
  };
  locations = machine: lib.filterAttrs (_: it: it.proxyPass != null)
    machine.services.nginx.virtualHosts."cache.example.org".locations;
  everywhere = words: machine: lib.all (it: has words it.extraConfig) (lib.attrValues (locations machine));
in
{
  "nothing is refused" = {
    got = machine.refusals ++ literal.refusals;
    want = [ ];
  };
  "nginx asks, and lets those without come" =
    has "ssl_client_certificate /etc/client-ca.pem;" machine.nginxConf
    && has "ssl_verify_client optional;" machine.nginxConf;
  "it reports its result at every place that leads to the daemon" =
    lib.attrNames (locations machine) == [
      "/"
      "@rust-nix-serve"
    ]
    && everywhere "proxy_set_header X-SSL-Client-Verify $ssl_client_verify;" machine
    && everywhere "proxy_set_header X-SSL-Client-S-DN $ssl_client_s_dn;" machine;
  "without an authority it says nothing, nor lets clients say it" =
    !(has "ssl_verify_client" without.nginxConf)
    && everywhere ''proxy_set_header X-SSL-Client-Verify "";'' without
    && everywhere ''proxy_set_header X-SSL-Client-S-DN "";'' without;
  "the daemon knows the permissions of a certificate, and no client reads without" = {
    got = machine.services.rust-nix-serve.settings.access;
    want = {
      anonymous = [ ];
      subjects = [ "read: O=Example" ];
    };
  };
  "a path literal is copied into the store" =
    has "ssl_client_certificate ${builtins.storeDir}/" literal.nginxConf;
  "without TLS there are no certificates" = has "clientCa" (toString unencrypted.refusals);
}
