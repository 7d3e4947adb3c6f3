# A binary cache in a directory or bucket, below the local store: the place of uploads.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.rust-nix-serve;

  # As the daemon gets them, free settings included.
  url = cfg.settings.storage.url or null;
  storage = import ../data/storage-url.nix url;
  index = import ../data/index-url.nix cfg.settings.index.url;
in
{
  options.services.rust-nix-serve = {
    storage.url = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "s3://cache?region=eu-central-1";
      description = ''
        A binary cache that is served below this machine's store: `file:///a/directory`, which is made where it is missing, or
        `s3://bucket/prefix` with the parameters of Nix's own URLs (`region`, `endpoint`, `profile`, `addressing-style`).
        Every client that may read the cache may read all of it; {option}`expose` is about this machine's store alone. For a bucket
        the daemon gets access to the network.
      '';
    };

    storage.credentialsFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/run/secrets/bucket";
      description = ''
        File with `aws_access_key_id` and `aws_secret_access_key` below `[default]`, or below the profile that
        {option}`storage.url` names. Only root needs to be able to read it. It is read when the daemon starts. Without
        one the role of the machine counts.
      '';
    };

    index.url = mkOption {
      type = types.nullOr types.str;
      default = if cfg.index.createLocally then (import ../data/local-index.nix).url else null;
      defaultText = lib.literalMD "that of the database of `index.createLocally`; else a file of SQLite, in the directory of the storage or, for a bucket, in `/var/lib/rust-nix-serve/index`";
      example = "postgres://cache@db.example.org/cache";
      description = ''
        The database of the storage's paths: `postgres://…`, which several servers of one storage share, or
        `sqlite:///a/file`. Uploads need it; reading does not.
      '';
    };

    index.createLocally = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether this machine's PostgreSQL has the index, in a database of its own. The daemon comes over the socket, by the
        name of its account and without a password.
      '';
    };

    # The values that units are made of.
    storageDirectory = mkOption {
      type = types.nullOr types.str;
      internal = true;
      readOnly = true;
      default = if url == null then null else storage.directory;
      description = "The directory of the storage; null for a bucket, and without one.";
    };
    hasBucket = mkOption {
      type = types.bool;
      internal = true;
      readOnly = true;
      default = url != null && lib.hasPrefix "s3://" url;
      description = "Whether the storage is a bucket.";
    };
    indexDirectory = mkOption {
      type = types.nullOr types.str;
      internal = true;
      readOnly = true;
      default =
        if url == null then
          null
        else if !(cfg.settings ? index.url) then
          if cfg.hasBucket then "/var/lib/rust-nix-serve/index" else null
        else if index.file == null then
          null
        else
          dirOf index.file;
      description = "The directory of an index that is a file; null where it is in that of the storage, or no file.";
    };
    connectsToIndex = mkOption {
      type = types.bool;
      internal = true;
      readOnly = true;
      default = url != null && cfg.settings ? index.url && index.connects;
      description = "Whether the index is on another machine.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.rust-nix-serve.settings = lib.mkMerge [
      (lib.mkIf (cfg.storage.url != null) { storage = { inherit (cfg.storage) url; }; })
      (lib.mkIf (cfg.index.url != null) { index = { inherit (cfg.index) url; }; })
      # Where people who run the program find the same.
      (lib.mkIf (cfg.index.url == null && lib.hasPrefix "s3:" (toString cfg.storage.url)) {
        index.url = lib.mkDefault "sqlite:///var/lib/rust-nix-serve/index/index.sqlite";
      })
    ];
  };
}
