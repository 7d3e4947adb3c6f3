# A machine whose builds go into a cache: a hook of Nix fills a queue on disk, and a daemon pushes it. For NixOS.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:
let
  inherit (lib) mkIf mkOption types;
  client = config.services.rust-nix-serve.client;
  cfg = client.push;
  name = "services.rust-nix-serve.client.push";
  program = lib.getExe cfg.package;
  user = "rust-nix-serve-push";
  directory = "rust-nix-serve-queue";
  queue = "/var/lib/${directory}/queue.sqlite";

  patterns = description: mkOption {
    type = types.listOf types.str;
    default = [ ];
    inherit description;
  };
  bound = example: description: mkOption {
    type = types.nullOr types.str;
    default = null;
    inherit example description;
  };

  flag = name: value: lib.optionals (value != null) [ name value ];
  each = name: lib.concatMap (value: [ name value ]);
  arguments =
    (if cfg.watch then [ "watch-store" ] else [ "queue" "run" ])
    ++ [ "--to" cfg.url "--queue" queue ]
    ++ lib.optionals (cfg.tokenFile != null) [ "--token-file" "%d/token" ]
    ++ lib.concatMap (key: [ "--key" "%d/${key.credential}" ]) keys
    ++ each "--only" cfg.filters.only
    ++ each "--skip" cfg.filters.skip
    ++ flag "--max-size" cfg.filters.maxSize
    ++ flag "--max-age" cfg.filters.maxAge
    ++ lib.optional cfg.filters.builtHere "--built-here"
    ++ each "--upstream" cfg.filters.upstreams;
  keys = lib.imap0 (number: file: {
    inherit file;
    credential = "key-${toString number}";
  }) cfg.signingKeyFiles;
  secrets =
    lib.optional (cfg.tokenFile != null) {
      credential = "token";
      file = cfg.tokenFile;
    }
    ++ keys;

  # Of the server's module, where that is there too: Nix has one hook alone.
  gc = config.services.rust-nix-serve.gc or { };
  keepsBuilds =
    (config.services.rust-nix-serve.enable or false)
    && (gc.enable or false)
    && (gc.keepBuilds or null) != null;
  # Runs as root after each build, which waits for it and must not fail because of it.
  hook = pkgs.writeShellScript "queue-build" (
    lib.optionalString keepsBuilds "${gc.postBuildHook}\n"
    + "${program} queue add --queue ${queue} || true\n"
  );
  isInStore = file: builtins.isPath file || lib.hasPrefix builtins.storeDir (toString file);
in
{
  options.services.rust-nix-serve.client.push = {
    enable = lib.mkEnableOption "pushing what is built on this machine, on NixOS";

    package = lib.mkPackageOption {
      rust-nix-serve = pkgs.rust-nix-serve or (import ../checkout.nix { inherit pkgs; });
    } "rust-nix-serve" { };

    url = mkOption {
      type = types.nullOr types.str;
      default = client.url;
      defaultText = lib.literalExpression "config.services.rust-nix-serve.client.url";
      example = "https://cache.example.com";
      description = "Address of the cache: of a server, `file:///a/directory` or `s3://bucket`.";
    };

    tokenFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/run/secrets/cache-token";
      description = ''
        File with a token that may push. Outside the Nix store, readable by root alone; when it changes, the daemon gets the
        new one.
      '';
    };

    signingKeyFiles = mkOption {
      type = types.listOf types.path;
      default = [ ];
      example = [ "/run/secrets/cache-key" ];
      description = "Secret keys that sign what is pushed. A server of this program signs by itself.";
    };

    watch = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether every path that comes into the store is pushed, also what is copied or substituted, and what came while the
        daemon did not run. Otherwise Nix tells of each build by its `post-build-hook`.
      '';
    };

    filters = {
      only = patterns "Names of which paths are pushed, without their hashes: `hello-*`. None: all.";
      skip = patterns "Names of paths that are not pushed for their own sake.";
      maxSize = bound "2G" "Size of the largest NAR that is pushed for its own sake.";
      maxAge = bound "7d" "Time in the store after which a path is not pushed any more.";
      builtHere = mkOption {
        type = types.bool;
        default = false;
        description = "Whether only what this machine has built is pushed, and what that refers to.";
      };
      upstreams = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "https://cache.nixos.org" ];
        description = "Caches whose paths are not pushed. The server must know of them, too (`upload.assume_upstream`).";
      };
    };

    postBuildHook = mkOption {
      type = types.str;
      readOnly = true;
      description = "The script that adds a build to the queue, to be called by a hook of your own.";
    };
  };

  config = lib.mkMerge [
    { services.rust-nix-serve.client.push.postBuildHook = "${hook}"; }
    (mkIf cfg.enable {
      assertions = [
        {
          assertion = cfg.url != null;
          message = "${name}.url: say where to push, \"https://cache.example.com\" for instance.";
        }
        {
          assertion = !(lib.any (secret: isInStore secret.file) secrets);
          message = ''
            ${name}: tokenFile or signingKeyFiles name a file in the Nix store, where everybody on this machine can read it.
            Name a file outside by a string, "/run/secrets/cache-token" for instance.
          '';
        }
      ];
      warnings =
        lib.optional (cfg.tokenFile != null && lib.hasPrefix "http://" (toString cfg.url)) ''
          ${name}: the token for ${cfg.url} travels in the clear, where everybody on the way can read and use it. Use HTTPS.
        ''
        ++ lib.optional (!cfg.watch && toString config.nix.settings.post-build-hook != "${hook}") ''
          ${name}: nix.settings.post-build-hook is ${toString config.nix.settings.post-build-hook}, and Nix has one hook
          alone. Unless that one calls ''${config.${name}.postBuildHook}, no build is pushed.
        '';

      # Before that of the server's module, which it calls, and behind one of the user's own.
      nix.settings.post-build-hook = mkIf (!cfg.watch) (lib.mkOverride 900 "${hook}");

      users.users.${user} = {
        isSystemUser = true;
        group = user;
      };
      users.groups.${user} = { };

      systemd.services.rust-nix-serve-push = {
        description = "Push what is built into a binary cache";
        wantedBy = [ "multi-user.target" ];
        wants = [ "network-online.target" ];
        after = [ "network-online.target" ];
        # What is packed of a large path does not lie in memory.
        environment.TMPDIR = "/var/tmp";
        serviceConfig = import ../data/hardening.nix { network = true; } // {
          Type = "notify";
          ExecStart = utils.escapeSystemdExecArgs ([ program ] ++ arguments);
          WatchdogSec = "2min";
          Restart = "always";
          RestartSec = 5;
          User = user;
          Group = user;
          StateDirectory = directory;
          StateDirectoryMode = "0750";
          LoadCredential = map (secret: "${secret.credential}:${toString secret.file}") secrets;
        };
      };

      # systemd hands out a secret once, when the daemon starts.
      systemd.paths.rust-nix-serve-push-secrets = mkIf (secrets != [ ]) {
        wantedBy = [ "multi-user.target" ];
        pathConfig.PathChanged = map (secret: toString secret.file) secrets;
      };
      systemd.services.rust-nix-serve-push-secrets = mkIf (secrets != [ ]) {
        description = "Give the daemon that pushes its new secrets";
        serviceConfig = {
          Type = "oneshot";
          ExecStart = "${config.systemd.package}/bin/systemctl try-restart rust-nix-serve-push.service";
        };
      };
    })
  ];
}
