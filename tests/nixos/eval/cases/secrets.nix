# Files that root alone may read: copied for the daemon, and again when they change.
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
      { services.rust-nix-serve = { enable = true; } // options; }
    ];
  machine = with' {
    secretKeyFile = "/run/secrets/new";
    secretKeyFiles = [ "/run/secrets/old" ];
  };
  # For every key of the settings that names a file.
  free = with' {
    settings = {
      listen = [ "tls://0.0.0.0:5443" ];
      tls = {
        certificate = "/run/secrets/cert.pem";
        key = "/run/secrets/key.pem";
        client_ca = "/etc/ca.pem";
      };
      access = {
        anonymous = [ ];
        tokens = "/run/secrets/tokens";
        oidc.ci.ca = "/etc/ci.pem";
      };
      signing.keys = [ "credential" ];
      cache.team = {
        path = "/team";
        signing.keys = [ "/run/secrets/team-key" ];
        access.anonymous = [ ];
        access.tokens = "/run/secrets/team-tokens";
      };
    };
  };
  certain = with' {
    secretKeyFile = "/run/secrets/100% \"$KEY\"";
  };
  refused = options: lib.any (has "Keep it outside") (with' options).refusals;
  literal = with' { settings.cache.team.access.tokens = ./secrets.nix; };
  copier = machine.unit "rust-nix-serve-keys.service";
  daemon = machine.unit "rust-nix-serve.service";
  copy = file: "/run/rust-nix-serve-keys${file}";
in
{
  "nothing is refused" = {
    got = machine.refusals;
    want = [ ];
  };
  "no key is made" = !(machine.systemd.services ? rust-nix-serve-key);
  "copies keep the paths of their files" = {
    got = machine.services.rust-nix-serve.daemonSettings.signing.keys;
    want = map copy [
      "/run/secrets/new"
      "/run/secrets/old"
    ];
  };
  "files of free settings are copied like the others" = {
    got = free.services.rust-nix-serve.daemonSettings;
    want = free.services.rust-nix-serve.settings // {
      tls = {
        certificate = copy "/run/secrets/cert.pem";
        key = copy "/run/secrets/key.pem";
        client_ca = copy "/etc/ca.pem";
      };
      access = {
        anonymous = [ ];
        tokens = copy "/run/secrets/tokens";
        oidc.ci.ca = copy "/etc/ci.pem";
      };
      cache.team = {
        path = "/team";
        signing.keys = [ (copy "/run/secrets/team-key") ];
        access.anonymous = [ ];
        access.tokens = copy "/run/secrets/team-tokens";
      };
    };
  };
  "names of credentials and the generated key stay" = {
    got = free.services.rust-nix-serve.daemonSettings.signing.keys;
    want = [
      "credential"
      "/var/lib/rust-nix-serve/secret-key"
    ];
  };
  "messages name the key of the settings" = {
    got = map (secret: "${secret.namedBy}=${secret.file}") free.services.rust-nix-serve.secrets;
    want = map (line: "services.rust-nix-serve.settings.${line}") [
      "tls.client_ca=/etc/ca.pem"
      "access.oidc.ci.ca=/etc/ci.pem"
      "tls.certificate=/run/secrets/cert.pem"
      "tls.key=/run/secrets/key.pem"
      "cache.team.signing.keys=/run/secrets/team-key"
      "cache.team.access.tokens=/run/secrets/team-tokens"
      "access.tokens=/run/secrets/tokens"
    ];
  };
  "a key in the store is refused wherever it is written" =
    refused { settings.signing.keys = [ ./secrets.nix ]; }
    && refused { settings.tls.key = "${builtins.storeDir}/abc-key"; }
    && refused { settings.cache.team.signing.keys = [ ./secrets.nix ]; };
  "hashes of tokens may be there" =
    literal.services.rust-nix-serve.secrets == [ ]
    && lib.hasPrefix builtins.storeDir literal.services.rust-nix-serve.daemonSettings.cache.team.access.tokens;
  "the copies are made before the daemon starts, and are its own" =
    has "User=rust-nix-serve\n" copier
    && has "RuntimeDirectoryMode=0700\n" copier
    && has "Before=rust-nix-serve.service\n" copier
    && has "ExecStartPre=" copier
    && has "rust-nix-serve-keys.service" daemon;
  "the daemon may read no other files of root" =
    has "AmbientCapabilities=CAP_DAC_READ_SEARCH\n" copier
    && has "AmbientCapabilities=\n" daemon;
  "a reload copies first" =
    has "ReloadPropagatedFrom=rust-nix-serve.service\n" copier
    && lib.any (line: lib.hasPrefix "ExecReload=" line && has "copy-secrets.sh \"once\"" line) (
      lib.splitString "\n" copier
    );
  "messages name the option" =
    has ''"services.rust-nix-serve.secretKeyFile=/run/secrets/new"'' copier
    && has ''"services.rust-nix-serve.secretKeyFiles=/run/secrets/old"'' copier;
  "names of files reach the script as they are" =
    has ''"services.rust-nix-serve.secretKeyFile=/run/secrets/100%% \"$$KEY\""'' (
      certain.unit "rust-nix-serve-keys.service"
    );
  "a changed file is looked for all the time" = lib.any (
    line: lib.hasPrefix "ExecStart=" line && has "copy-secrets.sh \"watch\"" line
  ) (lib.splitString "\n" copier);
  "nothing is frozen at start" = !(has "LoadCredential" daemon);
  "no failing start closes the socket" = has "StartLimitIntervalSec=0\n" daemon;
}
