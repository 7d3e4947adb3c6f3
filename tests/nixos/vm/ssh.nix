let
  # For these tests alone; the private half is public.
  keyPair = import ../machines/ssh-key.nix;
in
{
  cache = {
    imports = [ ../machines/plain-cache.nix ];
    services.rust-nix-serve.ssh = {
      enable = true;
      keys = [ keyPair.public ];
    };
  };
  client.environment.etc."client-key".text = keyPair.private;
}
