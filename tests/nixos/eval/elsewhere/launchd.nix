# The keys of launchd.plist(5) that our modules write, and no others: a wrong name is an error, as in nix-darwin and
# home-manager.
{ lib }:
let
  inherit (lib) types;
  key = type: lib.mkOption {
    type = types.nullOr type;
    default = null;
  };
  limits = key (types.submodule { options.NumberOfFiles = key types.int; });
in
types.submodule {
  options = {
    ExitTimeOut = key types.int;
    GroupName = key types.str;
    HardResourceLimits = limits;
    KeepAlive = key types.bool;
    ProcessType = key (
      types.enum [
        "Background"
        "Standard"
        "Adaptive"
        "Interactive"
      ]
    );
    ProgramArguments = key (types.listOf types.str);
    RunAtLoad = key types.bool;
    SoftResourceLimits = limits;
    StandardErrorPath = key types.path;
    StartInterval = key types.int;
    UserName = key types.str;
    WatchPaths = key (types.listOf types.path);
  };
}
