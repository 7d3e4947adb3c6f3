{
  cache =
    { lib, pkgs, ... }:
    {
      imports = [ ../machines/plain-cache.nix ];
      specialisation.other.configuration.services.rust-nix-serve = {
        priority = 30;
        expose.everything = lib.mkForce false;
        expose.roots = [ "/nix/var/nix/profiles/ci" ];
      };
      environment.systemPackages = [
        (pkgs.writeShellScriptBin "switch-to-other-configuration" ''
          exec /run/booted-system/specialisation/other/bin/switch-to-configuration test
        '')
      ];
    };
}
