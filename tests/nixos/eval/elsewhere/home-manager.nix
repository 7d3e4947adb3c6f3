# The evaluation of a configuration of home-manager: with home-manager itself where there is a checkout of it, else with options
# that stand in for those that our modules set.
{
  lib,
  pkgs,
  source ? null,
}:
let
  inherit (lib) mkOption types;
  standIn =
    { config, ... }:
    {
      imports = [ ./common.nix ];
      options = {
        home.homeDirectory = mkOption { type = types.path; };
        nix.package = mkOption {
          type = types.nullOr types.package;
          default = null;
        };
        xdg.stateHome = mkOption {
          type = types.str;
          default = "${config.home.homeDirectory}/.local/state";
        };
        launchd.agents = mkOption {
          type = types.attrsOf (
            types.submodule {
              options = {
                enable = mkOption { type = types.bool; };
                config = mkOption { type = import ../elsewhere/launchd.nix { inherit lib; }; };
              };
            }
          );
          default = { };
        };
        systemd.user.services = mkOption {
          # Sections of a unit file.
          type = types.attrsOf (types.attrsOf (types.attrsOf types.raw));
          default = { };
        };
      };
      config._module.args = { inherit pkgs; };
    };
  user = {
    home.homeDirectory = if pkgs.stdenv.hostPlatform.isDarwin then "/Users/user" else "/home/user";
  };
  itself = {
    home.username = "user";
    home.stateVersion = "25.05";
    manual.manpages.enable = false;
    _module.args.pkgs = lib.mkForce pkgs;
  };
  # As its own evaluation does it, which ends with the first assertion that does not hold.
  evaluateItself =
    modules:
    let
      extended = import (source + "/modules/lib/stdlib-extended.nix") (
        # Of a `lib` that is newer than some checkouts of it are.
        lib.extend (
          _: old: {
            genAttrs' = old.genAttrs' or (names: make: old.listToAttrs (map make names));
            replaceString = old.replaceString or (from: to: old.replaceStrings [ from ] [ to ]);
          }
        )
      );
      own = import (source + "/modules/modules.nix") {
        inherit pkgs;
        lib = extended;
        # Without most programs; those that are there want others.
        minimal = true;
      };
    in
    extended.evalModules {
      class = "homeManager";
      specialArgs.modulesPath = "${source}/modules";
      modules =
        own
        ++ modules
        ++ [
          (source + "/modules/programs/fish.nix")
          (source + "/modules/programs/man")
          # Of a newer nixpkgs than need be there.
          { disabledModules = [ (source + "/modules/services-modular") ]; }
        ];
    };
in
configuration:
(
  if source == null then
    lib.evalModules {
      modules = [
        standIn
        user
      ]
      ++ lib.toList configuration;
    }
  else
    evaluateItself (
      [
        user
        itself
      ]
      ++ lib.toList configuration
    )
).config
