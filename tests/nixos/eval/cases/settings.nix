# The configuration file: options and free settings together, checked where that is possible.
{
  evaluate,
  has,
  lib,
  modules,
  pkgs,
  ...
}:
let
  configuration = {
    services.rust-nix-serve = {
      enable = true;
      priority = 30;
      settings = {
        signing.policy = "ultimate";
        limits.downloads = 16;
      };
      narCache.enable = false;
    };
  };
  machine = evaluate [
    modules.nixos.default
    configuration
  ];
  overridden = evaluate [
    modules.nixos.default
    configuration
    { services.rust-nix-serve.settings.cache_info.priority = 41; }
  ];
  crossed = evaluate [
    modules.nixos.default
    configuration
    {
      nixpkgs.pkgs = lib.mkForce (
        if pkgs.stdenv.hostPlatform.isAarch64 then
          pkgs.pkgsCross.gnu64
        else
          pkgs.pkgsCross.aarch64-multiplatform
      );
      services.rust-nix-serve.package = pkgs.hello;
    }
  ];
in
{
  "options and settings meet in one file" = {
    got = machine.services.rust-nix-serve.settings;
    want = {
      cache_info.priority = 30;
      limits.downloads = 16;
      shutdown_grace = "60s";
      signing = {
        keys = [ "/var/lib/rust-nix-serve/secret-key" ];
        policy = "ultimate";
      };
    };
  };
  "a setting wins over the option" = {
    got = overridden.services.rust-nix-serve.settings.cache_info.priority;
    want = 41;
  };
  "the file is checked at build time" = has "checked" machine.services.rust-nix-serve.configFile.name;
  "but not where the builder cannot run the program" =
    !(has "checked" crossed.services.rust-nix-serve.configFile.name);
}
