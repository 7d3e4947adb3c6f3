let
  # Builds have to be there after a reboot as well.
  keeps.virtualisation.writableStoreUseTmpfs = false;
in
{
  cache = {
    imports = [
      ../machines/plain-cache.nix
      keeps
    ];
    services.rust-nix-serve = {
      storage.url = "file:///srv/cache";
      tokensFile = "/var/secrets/tokens";
      access.anonymous = [ "read" ];
    };
  };
  client = {
    imports = [ keeps ];
    services.rust-nix-serve.client.push = {
      enable = true;
      url = "http://cache";
      tokenFile = "/var/secrets/token";
      logs = true;
      listing = true;
    };
    systemd.tmpfiles.rules = [
      "d /var/secrets 0700 root root -"
      "f /var/secrets/token 0600 root root - none"
    ];
  };
}
