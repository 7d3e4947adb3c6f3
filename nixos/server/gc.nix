# Garbage collection that leaves what the cache should have.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkDefault mkIf;
  cfg = config.services.rust-nix-serve;
  directory = "/nix/var/nix/gcroots/rust-nix-serve";

  # A name for the link to a link: the collector follows both.
  link = path: "L+ ${directory}/${lib.replaceStrings [ "/" ] [ "-" ] (lib.removePrefix "/" path)} - - - - ${path}";

  # Runs as root after each build; Nix waits for it.
  keepBuild = pkgs.writeShellScript "keep-build" ''
    set -euf
    for path in $OUT_PATHS; do
      ${pkgs.coreutils}/bin/ln -sfn "$path" "${directory}/builds/''${path##*/}"
    done
  '';
in
{
  config = mkIf (cfg.enable && cfg.gc.enable) {
    nix.gc = {
      automatic = true;
      dates = mkDefault cfg.gc.dates;
      options = mkIf (cfg.gc.deleteOlderThan != null) (
        mkDefault "--delete-older-than ${cfg.gc.deleteOlderThan}"
      );
    };

    system.extraDependencies = cfg.gc.keep;

    systemd.tmpfiles.rules = [
      "d ${directory} 0755 root root -"
    ]
    ++ map link cfg.gc.roots
    # Links older than that are removed, and the next collection takes what only they kept.
    ++ lib.optional (cfg.gc.keepBuilds != null) "d ${directory}/builds 0755 root root ${cfg.gc.keepBuilds}";

    nix.settings.post-build-hook = mkIf (cfg.gc.keepBuilds != null) "${keepBuild}";
  };
}
