{
  cache =
    { pkgs, ... }:
    {
      imports = [ ../machines/plain-cache.nix ];
      specialisation.other.configuration.services.rust-nix-serve.priority = 30;
      environment.systemPackages = [
        (pkgs.writeShellScriptBin "switch-to-other-configuration" ''
          exec /run/booted-system/specialisation/other/bin/switch-to-configuration test
        '')
      ];
    };
}
