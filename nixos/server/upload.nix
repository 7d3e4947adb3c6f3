# What clients may upload to the storage, with `nix copy --to`.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.rust-nix-serve;

  # A switch of nginx alone: what may be uploaded stays written.
  written = lib.filterAttrs (_: value: value != null && value != [ ]) {
    require_signature_by = cfg.upload.requireSignatureBy;
    assume_upstream = cfg.upload.assumeUpstream;
    max_nar_size = cfg.upload.maxNarSize;
  };
in
{
  options.services.rust-nix-serve.upload = {
    enable = mkOption {
      type = types.bool;
      default = cfg.storage.url != null;
      defaultText = lib.literalMD "true with a `storage.url`";
      description = ''
        Whether nginx lets uploads through to the daemon, of any size and as they come. The daemon takes them from those
        who have the permission `push`, by a token, an issuer or a certificate. Without it nginx refuses everything
        but reading, whoever asks.
      '';
    };

    requireSignatureBy = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "ci-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
      description = ''
        Public keys, of which one must have signed a path before it is taken; content-addressed paths need no signature.
        Without any, who may push is enough. The cache adds its own signature either way.
      '';
    };

    assumeUpstream = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "https://cache.nixos.org" ];
      description = ''
        Caches that all clients have as well: what is there need not be uploaded. The daemon asks them, over the network,
        which it gets for that.
      '';
    };

    maxNarSize = mkOption {
      type = types.nullOr types.str;
      default = null;
      defaultText = lib.literalMD "64 GiB";
      example = "10GiB";
      description = "The largest NAR that is taken, decompressed; spelled as {option}`narCache.maxSize`.";
    };
  };

  config.services.rust-nix-serve.settings = lib.mkIf (cfg.enable && written != { }) { upload = written; };
}
