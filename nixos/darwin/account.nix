# An account of a daemon of ours under launchd, and the directories that belong to it: settings of nix-darwin.
{ lib, pkgs }:
{
  name,
  # Number of user and group: on macOS the configuration has to choose one.
  id,
  description,
  # Made before launchd starts anything: { path, mode }. The first is the home of the account.
  directories,
  # The file that launchd writes the log to.
  log,
}:
let
  inherit (lib) escapeShellArg;
  in' = program: "${pkgs.coreutils}/bin/${program}";
  make = directory: ''
    ${in' "mkdir"} -p ${escapeShellArg directory.path}
    ${in' "chmod"} ${directory.mode} ${escapeShellArg directory.path}
    ${in' "chown"} ${name}:${name} ${escapeShellArg directory.path}
  '';
in
{
  users = {
    users.${name} = {
      uid = lib.mkDefault id;
      gid = lib.mkDefault id;
      home = lib.mkDefault (lib.head directories).path;
      shell = lib.mkDefault "/usr/bin/false";
      inherit description;
    };
    groups.${name} = {
      gid = lib.mkDefault id;
      inherit description;
    };
    knownUsers = [ name ];
    knownGroups = [ name ];
  };

  # Accounts are there by then.
  system.activationScripts.launchd.text = lib.mkBefore (
    lib.concatMapStrings make directories
    + ''
      ${in' "touch"} ${escapeShellArg log}
      ${in' "chown"} ${name}:${name} ${escapeShellArg log}
    ''
  );
}
