# Several caches of one store, each with names, clients, keys and a choice of paths of its own.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.rust-nix-serve;
  exposure = import ./parts/expose.nix { inherit lib; };
  provider = import ./parts/provider.nix { inherit lib; };
  option = name: rest: "services.rust-nix-serve.caches.${name}.${rest}";
  permission = types.enum [
    "read"
    "push"
    "pin"
    "delete"
    "metrics"
  ];

  cache = types.submodule (
    { config, ... }:
    {
      options = {
        hosts = mkOption {
          type = types.listOf types.str;
          default = [ ];
          example = [ "team.example.org" ];
          description = ''
            Host names of this cache. nginx answers to them, and its certificate is for them as well. Clients keep one password
            for each host: caches with different tokens need host names of their own.
          '';
        };

        path = mkOption {
          type = types.nullOr (types.strMatching "/.+");
          default = null;
          example = "/team";
          description = "Path of this cache, below its host names or, without any, below all.";
        };

        priority = mkOption {
          type = types.nullOr types.ints.unsigned;
          default = null;
          description = "As {option}`priority`, which counts where this is null.";
        };

        secretKeyFiles = mkOption {
          type = types.listOf types.path;
          default = [ ];
          description = "Keys of this cache, as {option}`secretKeyFiles`; without any, those of the cache without a name.";
        };

        tokensFile = mkOption {
          type = types.nullOr types.path;
          default = null;
          description = "Tokens of this cache, as {option}`tokensFile`.";
        };

        access.anonymous = mkOption {
          type = types.listOf permission;
          default = [ ];
          example = [ "read" ];
          description = ''Permissions of all clients in this cache; none, unless they are written. `[ "read" ]` makes it public.'';
        };

        access.subjects = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Permissions of holders of client certificates in this cache, as {option}`access.subjects`.";
        };

        oidc.providers = mkOption {
          type = types.attrsOf (
            provider.type (if config.hosts == [ ] then null else "https://${lib.head config.hosts}")
          );
          default = { };
          description = "Services whose tokens are taken in this cache, as {option}`oidc.providers`.";
        };

        upload.requireSignatureBy = mkOption {
          type = types.nullOr (types.listOf types.str);
          default = null;
          description = "As {option}`upload.requireSignatureBy`, which counts where this is null.";
        };

        expose = exposure.options // {
          everything = mkOption {
            type = types.bool;
            default = false;
            description = "Whether this cache shows everything. This or a choice has to be written.";
          };
        };
      };
    }
  );

  toSettings =
    cache:
    {
      access = {
        inherit (cache.access) anonymous subjects;
      }
      // lib.optionalAttrs (cache.tokensFile != null) { tokens = cache.tokensFile; }
      // lib.optionalAttrs (cache.oidc.providers != { }) {
        oidc = lib.mapAttrs (_: provider.toSettings) cache.oidc.providers;
      };
      expose = exposure.toSettings cache.expose;
    }
    // lib.optionalAttrs (cache.hosts != [ ]) { inherit (cache) hosts; }
    // lib.optionalAttrs (cache.path != null) { inherit (cache) path; }
    // lib.optionalAttrs (cache.priority != null) { inherit (cache) priority; }
    // lib.optionalAttrs (cache.secretKeyFiles != [ ]) { signing.keys = cache.secretKeyFiles; }
    // lib.optionalAttrs (cache.upload.requireSignatureBy != null) {
      upload.require_signature_by = cache.upload.requireSignatureBy;
    };

  problemsOf =
    name: cache:
    let
      expose = cfg.settings.cache.${name}.expose or { };
      hidden = exposure.hidden (expose.roots or [ ]);
      wrongHosts = lib.filter (host: host.problem != null) (
        map (import ../data/host-name.nix) cache.hosts
      );
    in
    [
      {
        assertion = exposure.isChoice expose || expose ? everything;
        message = ''
          services.rust-nix-serve.caches.${name}: its exposure is not written. Choose, for instance
            ${option name "expose.roots"} = [ "/nix/var/nix/profiles/${name}" ];
          or, if everything in this machine's Nix store may be read by all clients that may read there,
            ${option name "expose.everything"} = true;
        '';
      }
      {
        assertion = cache.expose.everything -> !(exposure.isChoice expose);
        message = ''
          ${option name "expose.everything"} and a choice beside it contradict each other: remove one of them.
        '';
      }
      {
        assertion = cache.hosts != [ ] || cache.path != null;
        message = ''
          services.rust-nix-serve.caches.${name} is nowhere: give it ${option name "hosts"} or a ${option name "path"}.
        '';
      }
      {
        assertion = hidden == [ ];
        message = ''
          ${option name "expose.roots"}: ${lib.concatStringsSep ", " hidden} cannot be seen by the daemon. Home and temporary
          directories are hidden from it: name a profile below /nix/var/nix/profiles.
        '';
      }
      {
        assertion = wrongHosts == [ ];
        message = "${option name "hosts"}: ${
          lib.concatMapStringsSep "; " (host: host.problem) wrongHosts
        }.";
      }
    ]
    ++ provider.assertions (option name "oidc.providers") cache.oidc.providers;

  isForNobody =
    cache:
    cache.access.anonymous == [ ]
    && cache.access.subjects == [ ]
    && cache.tokensFile == null
    && cache.oidc.providers == { };
in
{
  options.services.rust-nix-serve.caches = mkOption {
    type = types.attrsOf cache;
    default = { };
    example = lib.literalExpression ''
      {
        team = {
          hosts = [ "team.example.org" ];
          tokensFile = "/run/secrets/team-tokens";
          expose.roots = [ "/nix/var/nix/profiles/team" ];
        };
      }
    '';
    description = ''
      More caches of the same store, by names of your choice: small letters, digits and hyphens. With one, the cache without
      a name shows nothing until {option}`expose` says so.
    '';
  };

  config = lib.mkIf cfg.enable {
    services.rust-nix-serve.settings = lib.mkIf (cfg.caches != { }) {
      cache = lib.mapAttrs (_: toSettings) cfg.caches;
    };

    assertions =
      lib.concatLists (lib.mapAttrsToList problemsOf cfg.caches)
      ++ lib.mapAttrsToList (name: _: {
        assertion = builtins.match "[a-z0-9-]+" name != null;
        message = ''
          services.rust-nix-serve.caches."${name}": names consist of small letters, digits and hyphens; host names are
          ${option name "hosts"}.
        '';
      }) cfg.caches;

    warnings = lib.mapAttrsToList (name: _: ''
      services.rust-nix-serve.caches.${name}: no client may read it. ${option name "access.anonymous"} = [ "read" ] is all clients;
      else ${option name "tokensFile"}, .access.subjects or .oidc.providers.
    '') (lib.filterAttrs (_: isForNobody) cfg.caches);
  };
}
