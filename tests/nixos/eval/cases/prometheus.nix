{
  evaluate,
  modules,
  ...
}:
let
  listens =
    options:
    (evaluate [
      modules.nixos.default
      { services.rust-nix-serve = { enable = true; prometheus.enable = true; } // options; }
    ]).systemd.sockets.rust-nix-serve.socketConfig.ListenStream;
  machine = evaluate [
    modules.nixos.default
    {
      services.rust-nix-serve = {
        enable = true;
        prometheus.enable = true;
        hostName = "cache";
        expose.everything = true;
      };
    }
  ];
in
{
  "behind nginx there is a listener for Prometheus" = {
    got = machine.systemd.sockets.rust-nix-serve.socketConfig.ListenStream;
    want = [
      "/run/rust-nix-serve/http.sock"
      "127.0.0.1:5000"
    ];
  };
  "which is not public" = {
    got = machine.networking.firewall.allowedTCPPorts;
    want = [ 80 ];
  };
  "it collects from there" = {
    got = (builtins.head (builtins.head machine.services.prometheus.scrapeConfigs).static_configs).targets;
    want = [ "127.0.0.1:5000" ];
  };
  "a listener that takes loopback as well is not opened twice" = {
    got = listens { bindAddress = "0.0.0.0"; };
    want = [ "0.0.0.0:5000" ];
  };
}
