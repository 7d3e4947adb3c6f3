# Every module by the name under which the flake and default.nix hand it out. The files name no package of the
# flake: the modules build the program from the nixpkgs of the system that imports them.
let
  server = ./server.nix;
in
{
  nixos = {
    default = server;
    rust-nix-serve = server;
    client.imports = [
      ./client.nix
      ./client/push.nix
    ];
    replace-nix-serve = ./replace/nix-serve.nix;
    replace-harmonia = ./replace/harmonia.nix;
  };
  darwin = rec {
    default = ./darwin/server.nix;
    rust-nix-serve = default;
    client.imports = [
      ./client.nix
      ./darwin/push.nix
    ];
  };
  home = rec {
    default = client;
    client.imports = [
      ./home/client.nix
      ./home/push.nix
    ];
  };
}
