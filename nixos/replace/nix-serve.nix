# Takes over a configuration that was written for services.nix-serve (and nix-serve-ng, which has the same options). The
# old options keep their types and defaults: configurations read them as well, above all for nginx's proxyPass.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  old = config.services.nix-serve;

  parameters = import ./nix-serve/parameters.nix lib old.extraParams;
  # As the web server below nix-serve-ng spells every address.
  addresses = {
    "*4" = "0.0.0.0";
    "!4" = "0.0.0.0";
    "*6" = "::";
    "!6" = "::";
  };
  bindAddress = addresses.${old.bindAddress} or old.bindAddress;

  # The old options in terms of the new ones, and whether they are set.
  same = {
    enable.value = true;
    bindAddress.value = bindAddress;
    port = {
      value = old.port;
      when = old.port != 5000;
    };
    openFirewall = {
      value = true;
      when = old.openFirewall;
    };
    secretKeyFile = {
      value = old.secretKeyFile;
      when = old.secretKeyFile != null;
    };
    priority = {
      value = parameters.priority;
      when = parameters.priority != null;
    };
    "settings.workers" = {
      value = parameters.workers;
      when = parameters.workers != null;
    };
  };
in
{
  disabledModules = [ "services/networking/nix-serve.nix" ];

  imports = [
    ../server.nix
    (import ./common/stand-in.nix {
      name = "nix-serve";
      enable = config: config.services.nix-serve.enable;
    })
  ];

  options.services.nix-serve = {
    enable = lib.mkEnableOption "rust-nix-serve, by the option of nix-serve";

    port = mkOption {
      type = types.port;
      default = 5000;
      description = "Becomes {option}`services.rust-nix-serve.port`.";
    };

    bindAddress = mkOption {
      type = types.str;
      default = "0.0.0.0";
      description = "Becomes {option}`services.rust-nix-serve.bindAddress`.";
    };

    # Never looked at, so that it may be a package that is gone or broken.
    package = mkOption {
      type = types.raw;
      default = config.services.rust-nix-serve.package;
      defaultText = lib.literalExpression "config.services.rust-nix-serve.package";
      description = "Has no effect: the program is {option}`services.rust-nix-serve.package`.";
    };

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = "Becomes {option}`services.rust-nix-serve.openFirewall`.";
    };

    # A path literal is let through to the refusal that explains it.
    secretKeyFile = mkOption {
      type = types.nullOr (types.either types.str types.path);
      default = null;
      description = "Becomes {option}`services.rust-nix-serve.secretKeyFile`.";
    };

    extraParams = mkOption {
      type = types.separatedString " ";
      default = "";
      description = "`--priority` and `--workers` take effect; others are refused or named in a warning.";
    };
  };

  config = lib.mkIf old.enable {
    services.rust-nix-serve = { replaces = [ "nix-serve" ]; } // import ./common/definitions.nix lib same;

    assertions = map (problem: {
      assertion = false;
      message = "services.nix-serve.extraParams: ${problem}";
    }) parameters.problems;

    warnings = [
      (import ./common/taken-over.nix lib {
        from = "services.nix-serve";
        options = same;
        notes =
          lib.optional (parameters.priority == null && config.services.rust-nix-serve.priority != 30)
            "Its priority is ${toString config.services.rust-nix-serve.priority} now, and was 30 if nothing else was said."
          ++ lib.optional (
            parameters.ignored != [ ]
          ) "No effect have the parameters ${lib.concatStringsSep " " parameters.ignored}.";
      })
    ];
  };
}
