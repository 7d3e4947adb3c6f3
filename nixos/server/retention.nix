# The paths that the storage keeps, and for how long its roots are kept.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.rust-nix-serve;

  written = lib.filterAttrs (_: value: value != null && value != { } && value != false) {
    min_age = cfg.retention.minAge;
    unused_for = cfg.retention.unusedFor;
    max_size = cfg.retention.maxSize;
    keep_free = cfg.retention.keepFree;
    max_closures = cfg.retention.maxClosures;
    keep_roots = cfg.retention.keepRoots;
    rules = lib.mapAttrs (
      _: rule: lib.filterAttrs (_: value: value != null) { inherit (rule) roots days revisions; }
    ) cfg.retention.rules;
  };

  rule = types.submodule {
    options = {
      roots = mkOption {
        type = types.nonEmptyListOf types.str;
        example = [ "pr/*" ];
        description = "Patterns of names of roots; `*` stands for any text.";
      };
      days = mkOption {
        type = types.nullOr types.ints.positive;
        default = null;
        example = 7;
        description = "The days after which a revision of such a root goes; null for no end.";
      };
      revisions = mkOption {
        type = types.nullOr types.ints.positive;
        default = null;
        example = 5;
        description = "The revisions of such a root that are kept at most; null for as many as are asked for.";
      };
    };
  };
in
{
  options.services.rust-nix-serve.retention = {
    minAge = mkOption {
      type = types.nullOr types.str;
      default = null;
      defaultText = lib.literalMD "one day";
      example = "12h";
      description = ''
        A path stays at least so long after it was pushed, or a pusher was told that it is there. A push of many
        paths must end within it.
      '';
    };

    unusedFor = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "30d";
      description = ''
        Paths that were not downloaded for so long may go. Without this, {option}`retention.maxSize`, {option}`retention.maxClosures`
        and {option}`retention.keepRoots`, everything that was pushed stays.
      '';
    };

    maxSize = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "100GiB";
      description = ''
        The size of the NARs in the storage above which closures go, those that were not used for longest first; spelled as
        {option}`narCache.maxSize`.
      '';
    };

    keepFree = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "20%";
      description = ''
        The part of the disk that is kept free, where the storage is a directory: hundredths, or a size as in
        {option}`narCache.maxSize`. When less is free, closures go, those that were not used for longest first, until it is
        free again or nothing more may go. For uploads into the store of this machine see {option}`upload.keepFree`.
      '';
    };

    maxClosures = mkOption {
      type = types.nullOr types.ints.positive;
      default = null;
      example = 5000;
      description = "The number of closures above which they go, those that were not used for longest first.";
    };

    keepRoots = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether a path that no root needs may go as soon as it is neither young nor in use. The paths of roots always stay.
        Roots are set by `PUT /gcroots/NAME`, by clients with the permission `pin`.
      '';
    };

    rules = mkOption {
      type = types.attrsOf rule;
      default = { };
      example = lib.literalExpression ''{ pull-requests = { roots = [ "pr/*" ]; days = 7; }; }'';
      description = ''
        How long roots are kept, by their names. A request for more days or revisions gets these; where several rules are
        about a name, each of them holds. The names of rules are small letters, digits and `-`.
      '';
    };
  };

  config.services.rust-nix-serve.settings = lib.mkIf (cfg.enable && written != { }) { retention = written; };
}
