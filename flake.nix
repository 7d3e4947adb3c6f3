{
  description = "Turns a Nix store into a signed, fast binary cache";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      linux = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      darwin = [
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      each = systems: make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      modules = import ./nixos/modules.nix;
    in
    {
      packages = each linux (pkgs: rec {
        rust-nix-serve = import ./nixos/checkout.nix { inherit pkgs; };
        default = rust-nix-serve;
      });

      overlays.default = import ./nixos/overlay.nix;

      nixosModules = modules.nixos;
      darwinModules = modules.darwin;
      homeModules = modules.home;

      checks = each linux (pkgs: import ./nixos/checks.nix { inherit pkgs self; });

      devShells = each (linux ++ darwin) (pkgs: {
        default = pkgs.callPackage ./nixos/shell.nix { };
      });

      formatter = each (linux ++ darwin) (pkgs: pkgs.nixfmt);

      apps = each linux (pkgs: rec {
        rust-nix-serve = {
          type = "app";
          program = lib.getExe self.packages.${pkgs.stdenv.hostPlatform.system}.rust-nix-serve;
          meta.description = "Serve this machine's Nix store";
        };
        default = rust-nix-serve;
      });
    };
}
