# Without nginx: addresses that systemd opens, or the daemon itself.
{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  with' =
    options:
    evaluate [
      modules.nixos.default
      { services.rust-nix-serve = { enable = true; } // options; }
    ];
  network = with' {
    bindAddress = [
      "0.0.0.0"
      "::"
    ];
    port = 8080;
    openFirewall = true;
  };
  shut = with' { bindAddress = "0.0.0.0"; };
  meant = with' {
    bindAddress = "0.0.0.0";
    expose.everything = true;
  };
  loopback = with' { openFirewall = true; };
  own = with' {
    settings.listen = [ "tls://0.0.0.0:5443" ];
    settings.tls = {
      certificate = "/run/secrets/cert.pem";
      key = "/run/secrets/key.pem";
    };
  };
  socket = network.systemd.sockets.rust-nix-serve-tcp.socketConfig;
in
{
  "each address has its socket" = {
    got = socket.ListenStream;
    want = [
      "0.0.0.0:8080"
      "[::]:8080"
    ];
  };
  "IPv4 and IPv6 do not claim the same port" = {
    got = socket.BindIPv6Only;
    want = "ipv6-only";
  };
  "the port is open when asked for" = {
    got = network.networking.firewall.allowedTCPPorts;
    want = [ 8080 ];
  };
  "and closed otherwise" = {
    got = shut.networking.firewall.allowedTCPPorts;
    want = [ ];
  };
  "a store that others may read without a word about it is worth one" =
    has "expose.everything" (toString shut.warnings) && meant.warnings == [ ];
  "an open firewall with nothing behind it opens nothing, and says so" =
    loopback.networking.firewall.allowedTCPPorts == [ ]
    && has "opens nothing" (toString loopback.warnings);
  "own listeners keep the network" =
    has "AF_INET6\n" (own.unit "rust-nix-serve.service")
    && !(has "PrivateNetwork" (own.unit "rust-nix-serve.service"));
  "own listeners need no socket unit" =
    lib.filter (lib.hasPrefix "rust-nix-serve") (lib.attrNames own.systemd.sockets) == [ ];
  "and are not refused" = {
    got = own.refusals;
    want = [ ];
  };
}
