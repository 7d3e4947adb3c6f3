# Pushing builds on NixOS, nix-darwin and in home-manager: the options, the hook, and the refusals. The services that
# run the daemon are in a file for each of them.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkIf mkOption types;
  client = config.services.rust-nix-serve.client;
  cfg = client.push;
  name = "services.rust-nix-serve.client.push";

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

  # Runs after each build, which waits for it and must not fail because of it.
  hook = pkgs.writeShellScript "queue-build" (
    import ../data/push-hook.nix {
      program = lib.getExe cfg.package;
      inherit (cfg) otherHook;
      queue = lib.escapeShellArg cfg.queueFile;
    }
  );
  isInStore = file: builtins.isPath file || lib.hasPrefix builtins.storeDir (toString file);
  current = toString (config.nix.settings.post-build-hook or "");
in
{
  options.services.rust-nix-serve.client.push = {
    enable = lib.mkEnableOption "pushing the builds of this machine";

    package = lib.mkPackageOption {
      rust-nix-serve = pkgs.rust-nix-serve or (import ../checkout.nix { inherit pkgs; });
    } "rust-nix-serve" { };

    url = mkOption {
      type = types.nullOr types.str;
      default = client.url;
      defaultText = lib.literalExpression "config.services.rust-nix-serve.client.url";
      example = "https://cache.example.org";
      description = "Address of the cache: of a server, `file:///a/directory` or `s3://bucket`.";
    };

    tokenFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/run/secrets/cache-token";
      description = ''
        File with a token that may push. Outside the Nix store, readable by root alone, or in home-manager by its user; when it
        changes, the daemon gets the new one.
      '';
    };

    signingKeyFiles = mkOption {
      type = types.listOf types.path;
      default = [ ];
      example = [ "/run/secrets/cache-key" ];
      description = "Secret keys that sign pushed paths. A server of this program signs by itself.";
    };

    watch = mkOption {
      type = types.bool;
      default = false;
      defaultText = lib.literalMD "`false`; in home-manager `true`";
      description = ''
        Whether every path that comes into the store is pushed, also copied or substituted ones, and those that came while the
        daemon did not run. Otherwise Nix tells of each build by its `post-build-hook`; that of a user counts only where Nix
        works without a daemon.
      '';
    };

    logs = mkOption {
      type = types.bool;
      default = false;
      description = "Whether build logs are pushed too, as far as this machine has them.";
    };

    listing = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the listing of each path's files is pushed too, as the `write-nar-listing` of Nix does.";
    };

    filters = {
      only = patterns "Names of which paths are pushed, without their hashes: `hello-*`. None: all.";
      skip = patterns "Names of paths that are not pushed for their own sake.";
      maxSize = bound "2G" "Size of the largest NAR that is pushed for its own sake.";
      maxAge = bound "7d" "Time in the store after which a path is not pushed any more.";
      builtHere = mkOption {
        type = types.bool;
        default = false;
        description = "Whether only builds of this machine are pushed, and their closures.";
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

    queueFile = mkOption {
      type = types.str;
      internal = true;
      description = "The file of the queue, which hook and daemon share.";
    };
    otherHook = mkOption {
      type = types.nullOr types.str;
      internal = true;
      default = null;
      description = "Another hook of ours, which the hook calls first: Nix has one alone.";
    };
  };

  config = lib.mkMerge [
    { services.rust-nix-serve.client.push.postBuildHook = "${hook}"; }
    (mkIf cfg.enable {
      assertions = [
        {
          assertion = cfg.url != null;
          message = "${name}.url: say where to push, \"https://cache.example.org\" for instance.";
        }
        {
          assertion = !(lib.any isInStore (lib.optional (cfg.tokenFile != null) cfg.tokenFile ++ cfg.signingKeyFiles));
          message = ''
            ${name}: tokenFile or signingKeyFiles name a file in the Nix store, where all users of this machine can read it.
            Name a file outside by a string, "/run/secrets/cache-token" for instance.
          '';
        }
      ];
      warnings =
        lib.optional (cfg.tokenFile != null && lib.hasPrefix "http://" (toString cfg.url)) ''
          ${name}: the token for ${cfg.url} travels in the clear, where others on the way can read and use it. Use HTTPS.
        ''
        ++ lib.optional (!cfg.watch && current != "${hook}") ''
          ${name}: nix.settings.post-build-hook is ${current}, and Nix has one hook alone. Unless that one calls
          ''${config.${name}.postBuildHook}, no build is pushed.
        '';

      # Before that of the server's module, which it calls, and behind one of the user's own.
      nix.settings.post-build-hook = mkIf (!cfg.watch) (lib.mkOverride 900 "${hook}");
    })
  ];
}
