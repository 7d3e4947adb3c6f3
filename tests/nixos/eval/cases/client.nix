{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  key = "cache.example.com-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
  with' =
    options:
    evaluate [
      modules.nixos.client
      {
        services.rust-nix-serve.client = {
          enable = true;
          url = "https://cache.example.com";
          publicKey = key;
        }
        // options;
      }
    ];
  machine = with' {
    priority = 30;
    netrcFile = "/run/secrets/netrc";
  };
  plain = with' { };
  leaking = with' { netrcFile = ./client.nix; };
  both = evaluate [
    modules.nixos.default
    modules.nixos.client
    { services.rust-nix-serve.enable = true; }
  ];
  # What nix-darwin has of this: `nix.settings`, with lists that it adds to itself.
  darwin =
    (lib.evalModules {
      modules = [
        modules.darwin.client
        {
          options = {
            assertions = lib.mkOption { type = lib.types.listOf lib.types.raw; };
            nix.settings = lib.mkOption { type = lib.types.attrsOf (lib.types.listOf lib.types.str); };
          };
          config = {
            nix.settings.substituters = lib.mkAfter [ "https://cache.nixos.org/" ];
            services.rust-nix-serve.client = {
              enable = true;
              url = "https://cache.example.com";
              publicKey = key;
            };
          };
        }
      ];
    }).config;
in
{
  "macOS: the cache is asked, and its key is trusted" = {
    got = darwin.nix.settings;
    want = {
      substituters = [
        "https://cache.example.com"
        "https://cache.nixos.org/"
      ];
      trusted-public-keys = [ key ];
    };
  };
  "the cache is asked, and the others still are" = {
    got = plain.nix.settings.substituters;
    want = [
      "https://cache.example.com"
      "https://cache.nixos.org/"
    ];
  };
  "its key is trusted" = lib.elem key plain.nix.settings.trusted-public-keys;
  "a rank of one's own" = lib.elem "https://cache.example.com?priority=30" machine.nix.settings.substituters;
  "credentials" = {
    got = machine.nix.settings.netrc-file;
    want = "/run/secrets/netrc";
  };
  "none without" = !(plain.nix.settings ? netrc-file);
  "credentials in the store are refused" = lib.any (has "netrcFile") leaking.refusals;
  "server and client on one machine" = {
    got = both.refusals;
    want = [ ];
  };
}
