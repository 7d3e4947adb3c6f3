# The evaluation of a configuration of nix-darwin: with nix-darwin itself where there is a checkout of it, else with options that
# stand in for those that our modules set.
{
  lib,
  pkgs,
  source ? null,
}:
let
  inherit (lib) mkOption types;
  account = types.submodule {
    options = {
      uid = mkOption { type = types.int; };
      gid = mkOption { type = types.int; };
      home = mkOption { type = types.path; };
      shell = mkOption { type = types.path; };
      description = mkOption { type = types.str; };
    };
  };
  daemon = types.submodule {
    options = {
      command = mkOption { type = types.str; };
      environment = mkOption {
        type = types.attrsOf types.str;
        default = { };
      };
      path = mkOption {
        type = types.listOf types.path;
        default = [ ];
      };
      serviceConfig = mkOption { type = import ./launchd.nix { inherit lib; }; };
    };
  };
  names = mkOption {
    type = types.listOf types.str;
    default = [ ];
  };
  standIn = {
    imports = [ ./common.nix ];
    options = {
      environment.etc = mkOption {
        type = types.attrsOf (types.submodule { options.source = mkOption { type = types.path; }; });
        default = { };
      };
      environment.systemPackages = mkOption {
        type = types.listOf types.package;
        default = [ ];
      };
      launchd.daemons = mkOption {
        type = types.attrsOf daemon;
        default = { };
      };
      networking.hostName = mkOption {
        type = types.nullOr types.str;
        default = null;
      };
      system.activationScripts = mkOption {
        type = types.attrsOf (types.submodule { options.text = mkOption { type = types.lines; }; });
        default = { };
      };
      users.knownGroups = names;
      users.knownUsers = names;
      users.groups = mkOption {
        type = types.attrsOf (types.submodule {
          options = {
            gid = mkOption { type = types.int; };
            description = mkOption { type = types.str; };
          };
        });
        default = { };
      };
      users.users = mkOption {
        type = types.attrsOf account;
        default = { };
      };
    };
    config = {
      _module.args = { inherit pkgs; };
      # As nix-darwin has it.
      nix.settings.substituters = lib.mkAfter [ "https://cache.nixos.org/" ];
    };
  };
  itself = {
    nixpkgs.hostPlatform = "aarch64-darwin";
    system.stateVersion = 6;
    documentation.enable = false;
    _module.args.pkgs = lib.mkForce pkgs;
  };
in
configuration:
if source == null then
  (lib.evalModules { modules = [ standIn ] ++ lib.toList configuration; }).config
else
  (import (source + "/eval-config.nix") {
    inherit lib;
    enableNixpkgsReleaseCheck = false;
    modules = [ itself ] ++ lib.toList configuration;
  }).config
