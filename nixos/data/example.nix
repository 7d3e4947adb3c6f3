# The data as it is for a cache behind nginx on an ordinary Linux machine: the guide prints it and tests evaluate it.
#   nix-instantiate --eval --strict --json nixos/data/example.nix
{
  program ? "/usr/local/bin/rust-nix-serve",
  config ? "/etc/rust-nix-serve/config.toml",
  hostName ? "cache.example.org",
  nginxGroup ? "www-data",
  certificate ? "/etc/ssl/cache.example.org/fullchain.pem",
  key ? "/etc/ssl/cache.example.org/key.pem",
  acmeWebroot ? "/var/lib/acme/acme-challenge",
  secrets ? [ ],
  generateKey ? {
    name = "${hostName}-1";
    directory = "rust-nix-serve";
  },
}:
let
  socket = "/run/rust-nix-serve/http.sock";
  units = import ./unit.nix {
    inherit program config generateKey;
    secrets = map (file: {
      inherit file;
      namedBy = config;
    }) secrets;
    proxySocket = {
      path = socket;
      group = nginxGroup;
    };
  };
in
{
  units = builtins.mapAttrs (_name: import ./ini.nix) units;
  nginx = import ./nginx-text.nix {
    nginx = import ./nginx.nix { inherit socket; };
    serverName = hostName;
    inherit acmeWebroot;
    tls = {
      inherit certificate key;
    };
  };
}
