# Who may read the cache.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.rust-nix-serve;

  isPublic =
    cfg.tokensFile == null && cfg.access.clientCa == null && cfg.oidc.providers == { };
  # An explicit list of permissions is never overridden.
  isWritten =
    options.services.rust-nix-serve.access.anonymous.highestPrio
    < (lib.mkOptionDefault null).priority;
in
{
  options.services.rust-nix-serve = {
    tokensFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/run/secrets/cache-tokens";
      description = ''
        File with the tokens of those who may use the cache, a line each, as `rust-nix-serve token create` prints it.
        It holds hashes, not the tokens. Only root needs to be able to read it, and a changed file takes effect without
        a restart, within seconds; a path literal, which becomes a file in the store, with the next system. With it the
        cache is private, unless {option}`access.anonymous` says otherwise.
      '';
    };

    access.anonymous = mkOption {
      type = types.listOf types.str;
      default = if isPublic then [ "read" ] else [ ];
      defaultText = lib.literalMD "`[ \"read\" ]` without a `tokensFile`, `access.clientCa` and `oidc.providers`, and nothing with one of them";
      description = "Permissions of clients without a token or certificate: `read`, `metrics`, `push`.";
    };

    access.clientCa = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = lib.literalExpression "./client-ca.pem";
      description = ''
        Certificates (PEM) that vouch for those of clients. nginx asks every client for one and lets those without come
        as well; the permissions of a certificate are in {option}`access.subjects`. No secret: a path literal is fine. Of
        another file nginx takes up the change when it is reloaded.
      '';
    };

    access.subjects = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "read: O=Example" ];
      description = ''
        Permissions of holders of client certificates: permissions with commas between them, a colon, and the
        attributes that the subject must have; it may have more.
      '';
    };

    access.trustedProxies = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "10.0.0.1" ];
      description = ''
        Addresses of other proxies in front of {option}`bindAddress`, from which the address of the client is believed. The
        nginx of this module needs no mention.
      '';
    };
  };

  config.services.rust-nix-serve.settings = lib.mkIf cfg.enable (
    lib.mkMerge [
      (lib.mkIf (cfg.tokensFile != null) { access.tokens = cfg.tokensFile; })
      (lib.mkIf (!isPublic || isWritten) {
        access = { inherit (cfg.access) anonymous; };
      })
      (lib.mkIf (cfg.access.subjects != [ ]) { access = { inherit (cfg.access) subjects; }; })
      (lib.mkIf (cfg.access.trustedProxies != [ ]) {
        access.trusted_proxies = cfg.access.trustedProxies;
      })
    ]
  );
}
