# A cache for those who have a token.
{
  evaluate,
  has,
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
          tokensFile = "/run/secrets/tokens";
        }
        // options;
      }
    ];
  machine = with' { };
  readable = with' { access.anonymous = [ "read" ]; };
  keyed = with' {
    secretKeyFile = "/run/secrets/key";
    secretKeyFiles = [ "/run/secrets/key" ];
  };
  literal = with' { tokensFile = ./private.nix; };
  behind = with' { access.trustedProxies = [ "10.0.0.1" ]; };
  open =
    options:
    evaluate [
      modules.nixos.default
      { services.rust-nix-serve = { enable = true; } // options; }
    ];
  written = open { access.anonymous = [ "read" ]; };
  issued = open {
    access.anonymous = [ "read" ];
    settings.access.oidc.ci.issuer = "https://ci.example.org";
  };
  holders = open {
    access.anonymous = [ "read" ];
    access.subjects = [ "read: O=Example" ];
  };
  public = evaluate [
    modules.nixos.default
    { services.rust-nix-serve.enable = true; }
  ];
  access = machine: machine.services.rust-nix-serve.daemonSettings.access;
  copied = machine: map (secret: secret.file) machine.services.rust-nix-serve.secrets;
in
{
  "nothing is refused" = {
    got = machine.refusals ++ machine.warnings;
    want = [ ];
  };
  "without a token no client has a permission" = {
    got = access machine;
    want = {
      tokens = "/run/rust-nix-serve-keys/run/secrets/tokens";
      anonymous = [ ];
    };
  };
  "unless it is written" = {
    got = (access readable).anonymous;
    want = [ "read" ];
  };
  "without tokens nothing is asked" = !(public.services.rust-nix-serve.settings ? access);
  "explicit permissions are never dropped" = {
    got = map access [
      written
      issued
      holders
    ];
    want = [
      { anonymous = [ "read" ]; }
      {
        anonymous = [ "read" ];
        oidc.ci.issuer = "https://ci.example.org";
      }
      {
        anonymous = [ "read" ];
        subjects = [ "read: O=Example" ];
      }
    ];
  };
  "other proxies are believed when named" = {
    got = (access behind).trusted_proxies;
    want = [ "10.0.0.1" ];
  };
  "root copies the tokens, and again when they change" =
    has ''"services.rust-nix-serve.tokensFile=/run/secrets/tokens"'' (
      machine.unit "rust-nix-serve-keys.service"
    )
    && copied machine == [ "/run/secrets/tokens" ];
  "hashes of tokens may be in the store, and are not copied then" =
    literal.refusals == [ ]
    && has builtins.storeDir (access literal).tokens
    && !(literal.systemd.services ? rust-nix-serve-keys);
  "tokens are no keys: one is made" =
    machine.services.rust-nix-serve.settings.signing.keys == [ "/var/lib/rust-nix-serve/secret-key" ];
  "each file is copied once" = {
    got = copied keyed;
    want = [
      "/run/secrets/key"
      "/run/secrets/tokens"
    ];
  };
}
