# The options of harmonia, under services.NAME.
name:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  path = [
    "services"
    name
  ];
  # Both forms are current somewhere: neither is called old.
  flat = option: lib.mkAliasOptionModule (path ++ [ option ]) (path ++ [ "cache" option ]);
  ignored =
    type: default:
    mkOption {
      inherit type default;
      description = "Has no effect: the store is read without another daemon.";
    };
in
{
  imports = map flat [
    "enable"
    "signKeyPath"
    "signKeyPaths"
    "settings"
  ];

  options.services.${name} = {
    # Never looked at, so that it may be a package that is gone or broken.
    package = mkOption {
      type = types.raw;
      default = config.services.rust-nix-serve.package;
      defaultText = lib.literalExpression "config.services.rust-nix-serve.package";
      description = "Has no effect: the program is {option}`services.rust-nix-serve.package`.";
    };

    cache = {
      enable = lib.mkEnableOption "rust-nix-serve, by the option of harmonia";

      package = mkOption {
        type = types.raw;
        default = config.services.rust-nix-serve.package;
        defaultText = lib.literalExpression "config.services.rust-nix-serve.package";
        description = "Has no effect: the program is {option}`services.rust-nix-serve.package`.";
      };

      signKeyPath = mkOption {
        type = types.nullOr types.path;
        default = null;
        description = "Is added to {option}`services.rust-nix-serve.secretKeyFiles`.";
      };

      signKeyPaths = mkOption {
        type = types.listOf types.path;
        default = [ ];
        description = "Are added to {option}`services.rust-nix-serve.secretKeyFiles`.";
      };

      settings = mkOption {
        inherit (pkgs.formats.toml { }) type;
        default = { };
        description = "The file of harmonia; its keys are options of rust-nix-serve.";
      };
    };

    daemon = {
      enable = ignored types.bool false;
      package = ignored types.raw null;
      dbPath = ignored types.str "/nix/var/nix/db/db.sqlite";
      logLevel = ignored types.str "info";
      socketPath = ignored types.str "/run/harmonia-daemon/socket";
      storeDir = ignored types.str "/nix/store";
    };

    gc = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      description = "Has no effect: see {option}`services.rust-nix-serve.gc`.";
    };
  };

  # The options that others read, in proxies above all, whether they are set or not.
  config.services.${name}.cache.settings = lib.mkIf config.services.${name}.cache.enable (
    # Weaker than any mkDefault.
    lib.mapAttrs (_: lib.mkOverride 1400) {
      bind = "[::]:5000";
      priority = 50;
    }
  );
}
