# `enable` alone: a cache for this machine.
{
  evaluate,
  has,
  modules,
  ...
}:
let
  machine = evaluate [
    modules.nixos.default
    { services.rust-nix-serve.enable = true; }
  ];
  restricted = evaluate [
    modules.nixos.default
    {
      services.rust-nix-serve.enable = true;
      nix.settings.allowed-users = [ "@wheel" ];
    }
  ];
  withoutIPv6 = evaluate [
    modules.nixos.default
    {
      services.rust-nix-serve.enable = true;
      networking.enableIPv6 = false;
    }
  ];
  listens = machine: machine.systemd.sockets.rust-nix-serve-tcp.socketConfig.ListenStream;
in
{
  "nothing is refused" = {
    got = machine.refusals ++ machine.warnings;
    want = [ ];
  };
  "no port is open" = {
    got = machine.networking.firewall.allowedTCPPorts;
    want = [ ];
  };
  "both loopbacks" = {
    got = listens machine;
    want = [
      "127.0.0.1:5000"
      "[::1]:5000"
    ];
  };
  "one loopback without IPv6" = {
    got = listens withoutIPv6;
    want = [ "127.0.0.1:5000" ];
  };
  "no nginx" = !machine.services.nginx.enable;
  "the key is named after the machine" = has "\"machine-1\"" (
    machine.unit "rust-nix-serve-key.service"
  );
  "all users may still use the Nix daemon" = {
    got = machine.nix.settings.allowed-users;
    want = [ "*" ];
  };
  "a restricted Nix daemon lets the cache in" = {
    got = restricted.nix.settings.allowed-users ++ restricted.nix.settings.extra-allowed-users;
    want = [
      "@wheel"
      "rust-nix-serve"
    ];
  };
}
