# Issuers of short-lived tokens in free settings: their keys are fetched, so the daemon needs the network.
{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  unit =
    settings:
    (evaluate [
      modules.nixos.default
      {
        services.rust-nix-serve = {
          enable = true;
          hostName = "cache";
          expose.everything = true;
          inherit settings;
        };
        networking.proxy.httpsProxy = "http://proxy:3128";
      }
    ]).unit
      "rust-nix-serve.service";
  oidc.github = {
    issuer = "https://token.actions.githubusercontent.com";
    audience = "https://cache";
    claims = [ "repository=org/*" ];
    allow = [ "read" ];
  };
  without = unit { };
  reaches =
    text:
    has "RestrictAddressFamilies=AF_INET6\n" text
    && !(has "PrivateNetwork" text)
    && !(has "IPAddressDeny" text)
    && has "https_proxy=http://proxy:3128" text;
in
{
  "an issuer opens the network" = reaches (unit {
    access = { inherit oidc; };
  });
  "so does one of a named cache" = reaches (unit {
    cache.team.access = { inherit oidc; };
  });
  "without one it stays shut" =
    has "PrivateNetwork=true\n" without
    && !(has "AF_INET" without)
    && !(has "proxy:3128" without);
}
