# Every module by the name under which the flake and default.nix hand it out. The files name no package of the
# flake: the server module builds the program from the nixpkgs of the system that imports it.
let
  server = ./server.nix;
  client = ./client.nix;
  # What systemd has to be there for.
  nixosClient.imports = [
    client
    ./client/push.nix
  ];
in
{
  nixos = {
    default = server;
    rust-nix-serve = server;
    client = nixosClient;
    replace-nix-serve = ./replace/nix-serve.nix;
    replace-harmonia = ./replace/harmonia.nix;
  };
  darwin = {
    default = client;
    inherit client;
  };
}
