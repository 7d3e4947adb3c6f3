# Uploads of clients to the storage, or into the store of this machine, with `nix copy --to`.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.rust-nix-serve;

  intoStore = cfg.upload.target == "nix-store";
  # A switch of nginx alone: the permissions stay written.
  written = lib.filterAttrs (_: value: value != null && value != [ ]) {
    target = if intoStore then "nix-store" else null;
    roots = cfg.upload.roots;
    spool_size = cfg.upload.spoolSize;
    keep_free = cfg.upload.keepFree;
    require_signature_by = cfg.upload.requireSignatureBy;
    assume_upstream = cfg.upload.assumeUpstream;
    max_nar_size = cfg.upload.maxNarSize;
  };
in
{
  options.services.rust-nix-serve.upload = {
    enable = mkOption {
      type = types.bool;
      default = cfg.storage.url != null || intoStore;
      defaultText = lib.literalMD "true with a `storage.url`, or with the `upload.target` `nix-store`";
      description = ''
        Whether nginx lets uploads through to the daemon, of any size and as they come. The daemon takes them from those
        who have the permission `push`, by a token, an issuer or a certificate. Without it nginx refuses everything
        but reading, for every client.
      '';
    };

    target = mkOption {
      type = types.enum [
        "storage"
        "nix-store"
      ];
      default = "storage";
      description = ''
        The target of uploads: the storage of {option}`storage.url`, or the store of this machine, through its Nix daemon.
        The daemon takes paths that are signed by one of {option}`nix.settings.trusted-public-keys`, which the public key of
        this cache can be, and everything from one of {option}`nix.settings.trusted-users`, which the account
        `rust-nix-serve` can be: then it may do anything to this machine.
      '';
    };

    roots = mkOption {
      type = types.nullOr types.str;
      default = null;
      defaultText = lib.literalMD "30 days";
      example = "7d";
      description = ''
        How long a path that was pushed into the store of this machine is kept from collection, by links in
        `/nix/var/nix/gcroots/rust-nix-serve`.
      '';
    };

    keepFree = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "20%";
      description = ''
        The part of the disk of this machine's store that is kept free: hundredths, or a size as in {option}`narCache.maxSize`.
        When less is free, the Nix daemon removes paths that nothing on this machine needs. If that is not enough, pushed
        paths go before their time, the least recently pushed ones first. Paths younger than {option}`retention.minAge` stay,
        and so do the paths that roots need.
      '';
    };

    spoolSize = mkOption {
      type = types.nullOr types.str;
      default = null;
      defaultText = lib.literalMD "64 GiB";
      example = "200GiB";
      description = ''
        The most that NARs take in `/var/lib/rust-nix-serve/spool` while they wait to be put into the store of this
        machine; spelled as {option}`narCache.maxSize`.
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
        Caches that all clients have as well: their paths need not be uploaded. The daemon asks them, over the network,
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

    # The values that units are made of.
    directories = mkOption {
      type = types.listOf types.str;
      internal = true;
      readOnly = true;
      default =
        let
          upload = cfg.settings.upload or { };
        in
        lib.optionals ((upload.target or null) == "nix-store") [
          upload.spool_directory
          upload.roots_directory
        ];
      description = "The directories for uploads into the store of this machine.";
    };
    isTaken = mkOption {
      type = types.bool;
      internal = true;
      readOnly = true;
      default = cfg.settings ? storage.url || cfg.upload.directories != [ ];
      description = "Whether there is something that uploads can go into.";
    };
  };

  config.services.rust-nix-serve.settings = lib.mkIf cfg.enable (
    lib.mkMerge [
      (lib.mkIf (written != { }) { upload = written; })
      (lib.mkIf intoStore {
        upload = {
          spool_directory = lib.mkDefault "/var/lib/rust-nix-serve/spool";
          roots_directory = lib.mkDefault "/nix/var/nix/gcroots/rust-nix-serve";
        };
      })
    ]
  );
}
