{
  has,
  lib,
  modules,
  nixDarwin,
  ...
}:
let
  key = "cache.example.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
  # The program as a user has built it for macOS.
  package = {
    services.rust-nix-serve.package = program;
  };
  program = derivation {
    name = "rust-nix-serve";
    system = "aarch64-darwin";
    builder = "/bin/sh";
  } // {
    type = "derivation";
    meta.mainProgram = "rust-nix-serve";
  };
  client =
    options:
    nixDarwin [
      modules.darwin.client
      { services.rust-nix-serve.client = { push.package = program; } // options; }
    ];
  # A pattern may not refer to a store path.
  plainText = builtins.unsafeDiscardStringContext;
  refusals = machine: map (one: one.message) (lib.filter (one: !one.assertion) machine.assertions);
  ours = machine: lib.filter (has "rust-nix-serve") (refusals machine ++ machine.warnings);

  uses = client {
    enable = true;
    url = "https://cache.example.org";
    publicKey = key;
    push.package = program;
  };
  pushes = push: client {
    push = {
      enable = true;
      package = program;
      url = "https://cache.example.org";
      tokenFile = "/run/secrets/token";
    }
    // push;
  };
  plain = pushes { };
  daemon = plain.launchd.daemons.rust-nix-serve-push;
  copies = plain.launchd.daemons.rust-nix-serve-push-secrets;
  filtered = pushes {
    watch = true;
    signingKeyFiles = [ "/run/secrets/key" ];
    filters.only = [ "team-*" ];
    filters.upstreams = [ "https://cache.nixos.org" ];
    logs = true;
    listing = true;
  };

  serves =
    options:
    nixDarwin [
      modules.darwin.default
      package
      { services.rust-nix-serve = { enable = true; } // options; }
    ];
  server = serves { };
  named = serves {
    hostName = "mac.example.org";
    bindAddress = "*";
    expose.roots = [ "/nix/var/nix/profiles/ci" ];
    tokensFile = "/run/secrets/tokens";
    storage.url = "s3://cache?region=eu-central-1";
    storage.credentialsFile = "/run/secrets/bucket";
  };
  settings = machine: machine.services.rust-nix-serve.daemonSettings;
  refused = words: options: lib.any (has words) (refusals (serves options));

  # Of the guide, as they are written there.
  guide = import ../elsewhere/guide.nix {
    inherit lib;
    inputs = {
      cache.darwinModules = modules.darwin;
      self.packages.aarch64-darwin.rust-nix-serve = program;
    };
  };
in
{
  "the cache is asked, and its key is trusted" = {
    got = {
      inherit (uses.nix.settings) fallback connect-timeout download-attempts;
      asked = lib.take 1 uses.nix.settings.substituters;
      trusted = lib.elem key uses.nix.settings.trusted-public-keys;
    };
    want = {
      fallback = true;
      connect-timeout = 5;
      download-attempts = 3;
      asked = [ "https://cache.example.org" ];
      trusted = true;
    };
  };
  "a machine that only pushes" = ours plain == [ ];
  "builds go into the queue" =
    plain.nix.settings.post-build-hook == plain.services.rust-nix-serve.client.push.postBuildHook;
  "a daemon pushes its paths, with a copy of the token" =
    has "queue run --to https://cache.example.org" daemon.command
    && has "--queue /var/lib/rust-nix-serve-queue/queue.sqlite" daemon.command
    && has "--token-file /var/run/rust-nix-serve-push/run/secrets/token" daemon.command;
  "it runs as a user of its own, and again when it ends" = {
    got = { inherit (daemon.serviceConfig) UserName GroupName KeepAlive RunAtLoad; };
    want = {
      UserName = "_rust-nix-serve-push";
      GroupName = "_rust-nix-serve-push";
      KeepAlive = true;
      RunAtLoad = true;
    };
  };
  "whose account and directory are made" =
    lib.elem "_rust-nix-serve-push" plain.users.knownUsers
    && plain.users.users._rust-nix-serve-push.uid == 542
    && has "mkdir -p /var/lib/rust-nix-serve-queue" plain.system.activationScripts.launchd.text;
  "root copies the token, and again when it changes" =
    has "_rust-nix-serve-push /var/run/rust-nix-serve-push /run/secrets/token" copies.command
    && copies.serviceConfig.WatchPaths == [ "/run/secrets/token" ]
    && (copies.serviceConfig.UserName or null) == null;
  "without secrets nothing is copied" =
    !((pushes { tokenFile = null; }).launchd.daemons ? rust-nix-serve-push-secrets);
  "a store that is watched, with filters" =
    has "watch-store --to" filtered.launchd.daemons.rust-nix-serve-push.command
    && has "--only 'team-*'" filtered.launchd.daemons.rust-nix-serve-push.command
    && has "--key /var/run/rust-nix-serve-push/run/secrets/key" filtered.launchd.daemons.rust-nix-serve-push.command
    && has "--upstream https://cache.nixos.org" filtered.launchd.daemons.rust-nix-serve-push.command
    && has "--logs --listing" filtered.launchd.daemons.rust-nix-serve-push.command
    && (filtered.nix.settings.post-build-hook or null) == null;
  "a token in the store is refused" =
    lib.any (has "in the Nix store") (refusals (pushes { tokenFile = ./darwin.nix; }));
  "nothing is pushed unless it is wanted" = !(uses.launchd.daemons ? rust-nix-serve-push);

  "a server for this machine alone" = ours server == [ ];
  "it listens by itself, on loopback" = {
    got = (settings server).listen;
    want = [
      "127.0.0.1:5000"
      "[::1]:5000"
    ];
  };
  "launchd keeps it running, as a user of its own, with its configuration" =
    has "serve --config" server.launchd.daemons.rust-nix-serve.command
    && has (plainText "${server.services.rust-nix-serve.configFile}") server.launchd.daemons.rust-nix-serve.command
    && server.launchd.daemons.rust-nix-serve.serviceConfig.KeepAlive
    && server.launchd.daemons.rust-nix-serve.serviceConfig.UserName == "_rust-nix-serve"
    && server.users.users._rust-nix-serve.uid == 541;
  "the operator finds the configuration" = server.environment.etc ? "rust-nix-serve/config.toml";
  "a key is made" =
    has "cache-1 /var/lib/rust-nix-serve" server.launchd.daemons.rust-nix-serve-key.command
    && (settings server).signing.keys == [ "/var/lib/rust-nix-serve/secret-key" ];
  "its directories are made" =
    has "mkdir -p /var/cache/rust-nix-serve" server.system.activationScripts.launchd.text
    && has "chown _rust-nix-serve:_rust-nix-serve /var/lib/rust-nix-serve" server.system.activationScripts.launchd.text;
  "nothing is copied where there is no secret" = !(server.launchd.daemons ? rust-nix-serve-keys);

  "a server for others, with a bucket" = {
    got = lib.filter (has "rust-nix-serve") (refusals named);
    want = [ ];
  };
  "under its name and port" = (settings named).public_url == "http://mac.example.org:5000";
  "tokens in the clear are warned of" = lib.any (has "in the clear") named.warnings;
  "its secrets are copied" =
    named.launchd.daemons.rust-nix-serve-keys.serviceConfig.WatchPaths == [
      "/run/secrets/bucket"
      "/run/secrets/tokens"
    ]
    && (settings named).access.tokens == "/run/rust-nix-serve-keys/run/secrets/tokens"
    &&
      named.launchd.daemons.rust-nix-serve.environment.AWS_SHARED_CREDENTIALS_FILE
      == "/run/rust-nix-serve-keys/run/secrets/bucket";
  "the index of a bucket has its directory" =
    has "mkdir -p /var/lib/rust-nix-serve/index" named.system.activationScripts.launchd.text;
  "the exposure behind a name has to be written" = refused "expose.everything" { hostName = "mac.example.org"; };
  "an open store is warned of" =
    lib.any (has "lets other machines read everything") (serves { bindAddress = "*"; }).warnings;
  "a key in the store is refused" = refused "this machine publishes the store" {
    secretKeyFile = ./darwin.nix;
  };
  "nginx, ports, SSH, collection, Prometheus and PostgreSQL are refused" = {
    got = lib.filter (name: !(refused "${name} does not exist on macOS" (lib.setAttrByPath (lib.splitString "." name) true))) [
      "nginx.enable"
      "nginx.enableACME"
      "openFirewall"
      "ssh.enable"
      "gc.enable"
      "prometheus.enable"
      "index.createLocally"
    ];
    want = [ ];
  };
  "the configurations of the guide are not refused" = {
    got = map (block: refusals (nixDarwin [ block ])) (guide "darwinModules");
    want = [
      [ ]
      [ ]
      [ ]
    ];
  };
  "server and client on one machine" = {
    got = ours (nixDarwin [
      modules.darwin.default
      modules.darwin.client
      package
      {
        services.rust-nix-serve.enable = true;
        services.rust-nix-serve.client.push = {
          enable = true;
          package = program;
          url = "https://cache.example.org";
        };
      }
    ]);
    want = [ ];
  };
}
