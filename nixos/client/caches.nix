# The caches that a machine or user takes finished store paths from: on NixOS, nix-darwin and in home-manager.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.rust-nix-serve.client;
  name = "services.rust-nix-serve.client";
  netrc = cfg.netrcFile;

  # A URL with our rank in the place of the one that it has.
  ranked =
    cache:
    let
      parts = lib.splitString "?" cache.url;
      parameters = lib.filter (parameter: parameter != "" && !(lib.hasPrefix "priority=" parameter)) (
        lib.splitString "&" (lib.concatStringsSep "?" (lib.tail parts))
      );
      query = parameters ++ [ "priority=${toString cache.priority}" ];
    in
    if cache.priority == null then
      cache.url
    else
      "${lib.head parts}?${lib.concatStringsSep "&" query}";

  keys = types.coercedTo types.str lib.singleton (types.listOf types.str);
  options = {
    publicKey = mkOption {
      type = keys;
      default = [ ];
      example = "cache.example.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
      description = ''
        Public key of the cache, or several: the output of `curl https://cache.example.org/pubkey`. Paths that are signed
        with none of them are refused.
      '';
    };

    priority = mkOption {
      type = types.nullOr types.ints.unsigned;
      default = null;
      example = 30;
      description = ''
        Rank for this machine, instead of the one that the cache gives itself or that the URL has. The lowest is asked first;
        cache.nixos.org has 40.
      '';
    };
  };

  # The one that is written without a name, and the others, by the options that name them.
  all =
    lib.optional (cfg.url != null) {
      at = name;
      inherit (cfg) url publicKey priority;
    }
    ++ lib.mapAttrsToList (label: cache: {
      at = "${name}.caches.${label}";
      inherit (cache) url publicKey priority;
    }) cfg.caches;

  matches = pattern: text: builtins.match pattern text != null;
  isPublicKey = matches "[^:[:space:]]+:[A-Za-z0-9+/]{43}=";
  # Twice as long. Never shown: a message would end in logs.
  isSecretKey = matches "[^:[:space:]]+:[A-Za-z0-9+/]{86}==";
  problems =
    cache:
    let
      wrong = lib.filter (key: !(isPublicKey key || isSecretKey key)) cache.publicKey;
    in
    [
      {
        assertion = matches "[a-z0-9+-]+://[^[:space:]]+" cache.url;
        message = ''
          ${cache.at}.url is "${cache.url}": write a URL with its scheme and without blanks, "https://cache.example.org" for
          instance.
        '';
      }
      {
        assertion = cache.publicKey != [ ];
        message = "${cache.at}.publicKey: without a key of the cache, everything it offers is refused.";
      }
      {
        assertion = !(lib.any isSecretKey cache.publicKey);
        message = ''
          ${cache.at}.publicKey is the secret key of a cache, which all users can read in a configuration. Make a new pair,
          for this one is no secret any more; the public key is the output of `curl https://cache.example.org/pubkey`.
        '';
      }
      {
        assertion = wrong == [ ];
        message = ''
          ${cache.at}.publicKey is "${toString wrong}": a public key is NAME:TEXT with 44 letters and digits behind the colon,
          as `curl https://cache.example.org/pubkey` prints it.
        '';
      }
    ];
  urls = map ranked all;
  internal =
    description: default:
    mkOption {
      type = types.listOf types.str;
      internal = true;
      readOnly = true;
      inherit description default;
    };
in
{
  options.services.rust-nix-serve.client = options // {
    enable = lib.mkEnableOption "binary caches as sources of finished store paths";

    url = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "https://cache.example.org";
      description = "Address of the cache; of several, see {option}`caches`.";
    };

    caches = mkOption {
      type = types.attrsOf (
        types.submodule {
          options = options // {
            url = mkOption {
              type = types.str;
              example = "https://team.example.org";
              description = "Address of this cache.";
            };
          };
        }
      );
      default = { };
      example = {
        team = {
          url = "https://team.example.org";
          publicKey = "team.example.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";
        };
      };
      description = "More caches, by names of your choice.";
    };

    netrcFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/run/secrets/cache-netrc";
      description = ''
        File with `machine HOST login NAME password TOKEN` for each cache that asks who reads it. Outside the Nix store, readable by
        root alone, or in home-manager by its user. It takes the place of `/etc/nix/netrc` for all caches.
      '';
    };

    urls = internal "Addresses of all caches, as Nix gets them." urls;
    publicKeys = internal "Public keys of all caches." (
      lib.unique (lib.concatMap (cache: cache.publicKey) all)
    );
    otherSettings = mkOption {
      # As they are, priorities included.
      type = types.raw;
      internal = true;
      readOnly = true;
      description = "Settings of Nix beside the caches.";
      default = {
        # A cache that is away, as on a laptop, must not keep anything from being built, nor for long from being fetched
        # elsewhere.
        fallback = lib.mkDefault true;
        connect-timeout = lib.mkDefault 5;
        download-attempts = lib.mkDefault 3;
      }
      // lib.optionalAttrs (netrc != null) { netrc-file = toString netrc; };
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = lib.concatMap problems all ++ [
      {
        assertion = all != [ ];
        message = "${name}.enable: no cache is named. Write ${name}.url, or caches.<name>.url.";
      }
      {
        assertion = cfg.url == null -> cfg.publicKey == [ ] && cfg.priority == null;
        message = "${name}.publicKey and .priority belong to ${name}.url, which is not written; those of other caches are in caches.<name>.";
      }
      {
        assertion = lib.allUnique (map (cache: lib.head (lib.splitString "?" (lib.removeSuffix "/" cache.url))) all);
        message = "${name}: one cache is named twice: ${lib.concatStringsSep ", " urls}.";
      }
      {
        assertion =
          netrc == null || !(builtins.isPath netrc) && !(lib.hasPrefix builtins.storeDir (toString netrc));
        message = ''
          ${name}.netrcFile is ${toString netrc}: in the Nix store all users of this machine can
          read it. Name a file outside by a string, "/run/secrets/cache-netrc" for instance.
        '';
      }
    ];

    warnings =
      let
        plain = lib.filter (lib.hasPrefix "http://") urls;
      in
      lib.optional (netrc != null && plain != [ ]) ''
        ${name}: tokens for ${lib.concatStringsSep ", " plain} travel in the clear, where others on the way can read and
        use them. Use HTTPS.
      '';
  };
}
