# Options whose configuration files the program has to accept.
let
  public = {
    hostName = "cache.example.com";
    expose.everything = true;
    acme.email = "admin@example.com";
  };
in
{
  closed = { };
  inherit public;
  keys = {
    secretKeyFile = "/run/secrets/new";
    secretKeyFiles = [ "/run/secrets/old" ];
    priority = 30;
  };
  compressed = public // {
    narCache.enable = true;
  };
  compressed-alone.narCache = {
    enable = true;
    maxSize = "1TiB";
    directory = "/srv/nars";
  };
  free.settings = {
    workers = 4;
    signing.policy = "ultimate";
    log.level = "debug";
    limits.downloads = 16;
  };
  own-listeners.settings = {
    listen = [ "tls://0.0.0.0:5443" ];
    tls = {
      certificate = "/run/secrets/cert.pem";
      key = "/run/secrets/key.pem";
    };
  };
}
