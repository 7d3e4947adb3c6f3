{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  key = "cache.example.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
  with' =
    options:
    evaluate [
      modules.nixos.client
      {
        services.rust-nix-serve.client = {
          enable = true;
          url = "https://cache.example.org";
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
  several = evaluate [
    modules.nixos.client
    {
      services.rust-nix-serve.client = {
        enable = true;
        url = "https://cache.example.org";
        publicKey = key;
        caches = {
          team = {
            url = "https://team.example.org";
            publicKey = [
              "team-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="
              key
            ];
            priority = 20;
          };
          lan = {
            url = "http://cache.lan?priority=10&compression=none";
            publicKey = key;
          };
        };
      };
    }
  ];
  onlyNamed = evaluate [
    modules.nixos.client
    {
      services.rust-nix-serve.client.enable = true;
      services.rust-nix-serve.client.caches.lan = {
        url = "http://cache.lan";
        publicKey = key;
      };
    }
  ];
  asked = machine: lib.filter (url: !(has "nixos.org" url)) machine.nix.settings.substituters;
  refused = words: options: lib.any (has words) (with' options).refusals;
  leaking = with' { netrcFile = ./client.nix; };
  both = evaluate [
    modules.nixos.default
    modules.nixos.client
    { services.rust-nix-serve.enable = true; }
  ];
in
{
  "a cache that is away keeps nothing from being built" = {
    got = { inherit (plain.nix.settings) fallback connect-timeout download-attempts; };
    want = {
      fallback = true;
      connect-timeout = 5;
      download-attempts = 3;
    };
  };
  "unless that is wanted otherwise" =
    !(evaluate [
      modules.nixos.client
      {
        nix.settings.fallback = false;
        services.rust-nix-serve.client = {
          enable = true;
          url = "https://cache.example.org";
          publicKey = key;
        };
      }
    ]).nix.settings.fallback;
  "the cache is asked, and the others still are" = {
    got = plain.nix.settings.substituters;
    want = [
      "https://cache.example.org"
      "https://cache.nixos.org/"
    ];
  };
  "its key is trusted" = lib.elem key plain.nix.settings.trusted-public-keys;
  "a rank of one's own" = lib.elem "https://cache.example.org?priority=30" machine.nix.settings.substituters;
  "in the place of the one that the URL has" = {
    got = map (url: asked (with' { inherit url; priority = 30; })) [
      "https://cache.example.org?priority=10"
      "https://cache.example.org?priority=10&tls-certificate=/etc/c.pem"
      "https://cache.example.org?tls-certificate=/etc/c.pem&priority=10"
      "https://cache.example.org?"
      "https://cache.example.org?tls-certificate=/etc/c.pem"
    ];
    want = [
      [ "https://cache.example.org?priority=30" ]
      [ "https://cache.example.org?tls-certificate=/etc/c.pem&priority=30" ]
      [ "https://cache.example.org?tls-certificate=/etc/c.pem&priority=30" ]
      [ "https://cache.example.org?priority=30" ]
      [ "https://cache.example.org?tls-certificate=/etc/c.pem&priority=30" ]
    ];
  };
  "an unranked URL stays as it is" = lib.elem "http://cache.lan?priority=10&compression=none" (asked several);
  "several caches, each with its keys" =
    several.refusals == [ ]
    && asked several == [
      "https://cache.example.org"
      "http://cache.lan?priority=10&compression=none"
      "https://team.example.org?priority=20"
    ]
    && lib.count (one: one == key) several.nix.settings.trusted-public-keys == 1
    && lib.elem "team-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" several.nix.settings.trusted-public-keys;
  "none without a name" = onlyNamed.refusals == [ ] && asked onlyNamed == [ "http://cache.lan" ];
  "an address without its scheme is refused" = refused "with its scheme" { url = "cache.example.org"; };
  "so is one without a key" = refused "everything it offers is refused" { publicKey = [ ]; };
  "a key that is none" = refused "a public key is NAME:TEXT" { publicKey = "cache.example.org-1"; };
  "a secret key, which the message does not repeat" =
    let
      secret = lib.concatStrings (lib.genList (_: "A") 86);
      machine = with' { publicKey = "cache.example.org-1:${secret}=="; };
    in
    lib.any (has "is the secret key of a cache") machine.refusals && !(has secret (toString machine.refusals));
  "a key of no cache" = refused "belong to" { url = null; };
  "one cache twice" = refused "named twice" {
    caches.again = {
      url = "https://cache.example.org/";
      publicKey = key;
    };
  };
  "no cache at all" = refused "no cache is named" {
    url = null;
    publicKey = [ ];
  };
  "tokens in the clear" = has "travel in the clear" (
    toString
      (with' {
        url = "http://cache.lan";
        netrcFile = "/run/secrets/netrc";
      }).warnings
  );
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
