# Garbage collection that leaves the paths that the cache should have.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (lib) mkDefault mkIf;
  cfg = config.services.rust-nix-serve;
  usual = "/nix/var/nix/gcroots/rust-nix-serve";
  # Uploads into the store have that directory, with links of their own that must outlive a reboot; and systemd-tmpfiles
  # makes nothing of root's in a directory of another account.
  isOfUploads = lib.elem usual cfg.upload.directories;
  directory = if isOfUploads then "${usual}-gc" else usual;
  # The roots that another configuration made.
  others = lib.optional (!isOfUploads) "R ${usual}-gc - - - -";

  # The name of a link to a link, which is unlike that of every other; the collector follows both.
  link =
    path:
    let
      readable = lib.replaceStrings [ "/" ] [ "-" ] (lib.removePrefix "/" path);
      unique = lib.substring 0 8 (builtins.hashString "sha256" path);
    in
    "L+ ${directory}/roots/${readable}-${unique} - - - - ${path}";

  # Runs as root after each build; Nix waits for it.
  keepBuild = pkgs.writeShellScript "keep-build" ''
    set -euf
    for path in $OUT_PATHS; do
      ${pkgs.coreutils}/bin/ln -sfn "$path" "${directory}/builds/''${path##*/}"
    done
  '';
  # By the time the link was made: the collector reads the links, which renews the time of their last use.
  age = "m:${lib.replaceStrings [ " " ] [ "" ] cfg.gc.keepBuilds}";

  isPlain = path: builtins.match "/[^[:space:]%\"'\\\\]+" path != null;
  hook = config.nix.settings.post-build-hook or null;
  # That of the module that pushes builds calls ours.
  callsOurs = lib.elem (toString hook) [
    "${keepBuild}"
    (cfg.client.push.postBuildHook or "none")
  ];
in
{
  config = lib.mkMerge [
    { services.rust-nix-serve.gc.postBuildHook = "${keepBuild}"; }

    (mkIf (cfg.enable && cfg.gc.enable) {
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
      ++ others
      ++ [
        # Emptied first: a root that is not written any more keeps nothing.
        "D ${directory}/roots 0755 root root -"
      ]
      ++ map link (lib.unique cfg.gc.roots)
      ++ (
        if cfg.gc.keepBuilds != null then
          # Older links are removed, and the next collection takes the paths that only they kept.
          [ "d ${directory}/builds 0755 root root ${age}" ]
        else
          [ "R ${directory}/builds - - - -" ]
      );

      # One of the user's own goes before it.
      nix.settings.post-build-hook = mkIf (cfg.gc.keepBuilds != null) (mkDefault "${keepBuild}");

      assertions = map (root: {
        assertion = isPlain root;
        message = ''
          services.rust-nix-serve.gc.roots: "${root}" has characters that a rule of tmpfiles.d does not take as they are
          (blanks, quotes, percent signs). Make a link to it that has a plain name.
        '';
      }) cfg.gc.roots;

      warnings = lib.optional (cfg.gc.keepBuilds != null && !callsOurs) ''
        services.rust-nix-serve.gc.keepBuilds: nix.settings.post-build-hook is ${toString hook}, and Nix has one hook alone.
        Unless that one calls ''${config.services.rust-nix-serve.gc.postBuildHook}, no build is kept.
      '';
    })

    # Nothing is kept in a place without an owner.
    (mkIf (cfg.enable && !cfg.gc.enable) {
      systemd.tmpfiles.rules = [ "R ${directory} - - - -" ] ++ others;
    })
  ];
}
