# The virtual host stays the user's: both ways of adding to it work, and win over the module.
{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  machine = evaluate [
    modules.nixos.default
    {
      services.rust-nix-serve = {
        enable = true;
        hostName = "cache.example.org";
        expose.everything = true;
        acme.email = "admin@example.org";
        nginx.virtualHost = {
          locations."/".extraConfig = "allow 10.0.0.0/8; # ours";
          http2 = false;
        };
      };
      services.nginx = {
        recommendedProxySettings = true;
        recommendedGzipSettings = true;
        virtualHosts."cache.example.org".locations."/extra".return = "204";
      };
    }
  ];
  root = machine.services.nginx.virtualHosts."cache.example.org".locations."/";
in
{
  "nothing is refused" = {
    got = machine.refusals;
    want = [ ];
  };
  "lines of a location are added" =
    has "allow 10.0.0.0/8" root.extraConfig && has "proxy_http_version 1.1" root.extraConfig;
  "the proxy stays" = {
    got = root.proxyPass;
    want = "http://rust-nix-serve";
  };
  "a setting is replaced" = !(has "http2 on;" machine.nginxConf);
  "a location is added" = has "location /extra" machine.nginxConf;
  "recommended proxy settings do not send headers twice" = !(
    has "recommended-proxy-headers" (
      lib.head (lib.splitString "= /metrics" (lib.last (lib.splitString "location / " machine.nginxConf)))
    )
  );
  "recommended compression does not reach NARs" = has "gzip off;" root.extraConfig;
}
