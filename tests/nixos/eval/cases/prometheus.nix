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
        prometheus = {
          enable = true;
          dashboard = true;
        };
        hostName = "cache";
        expose.everything = true;
      };
    }
  ];
in
{
  "behind nginx there is a listener for Prometheus" = {
    got = machine.systemd.sockets.rust-nix-serve-tcp.socketConfig.ListenStream;
    want = [ "127.0.0.1:5000" ];
  };
  "whose sockets both belong to the daemon" =
    machine.systemd.sockets.rust-nix-serve-tcp.socketConfig.Service == "rust-nix-serve.service"
    && machine.systemd.services.rust-nix-serve.requires == [
      "rust-nix-serve.socket"
      "rust-nix-serve-tcp.socket"
    ];
  "which is not public" = {
    got = machine.networking.firewall.allowedTCPPorts;
    want = [ 80 ];
  };
  "it collects from there" = {
    got = (builtins.head (builtins.head machine.services.prometheus.scrapeConfigs).static_configs).targets;
    want = [ "127.0.0.1:5000" ];
  };
  "Grafana has the dashboard" = {
    got = map (provider: provider.name) machine.services.grafana.provision.dashboards.settings.providers;
    want = [ "rust-nix-serve" ];
  };
  "a listener that takes loopback as well is not opened twice" = {
    got = listens { bindAddress = "0.0.0.0"; };
    want = [ "0.0.0.0:5000" ];
  };
}
