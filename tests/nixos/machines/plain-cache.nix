# A cache on a LAN: plain HTTP through nginx, a generated key.
{
  services.rust-nix-serve = {
    enable = true;
    hostName = "cache";
    expose.everything = true;
  };
}
