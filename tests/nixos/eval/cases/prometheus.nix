{
  evaluate,
  lib,
  modules,
  ...
}:
let
  own = evaluate [
    modules.nixos.default
    {
      services.rust-nix-serve = {
        enable = true;
        prometheus.enable = true;
        settings.listen = [ "127.0.0.1:1" ];
      };
    }
  ];
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
        tokensFile = "/run/secrets/tokens";
      };
    }
  ];
  socket = machine.systemd.sockets.rust-nix-serve-metrics.socketConfig;
in
{
  "there is a listener for metrics alone" = {
    got = { inherit (socket) ListenStream FileDescriptorName Service; };
    want = {
      ListenStream = [ "127.0.0.1:5001" ];
      FileDescriptorName = "metrics";
      Service = "rust-nix-serve.service";
    };
  };
  "without it the cache would serve all the same" =
    machine.systemd.services.rust-nix-serve.requires == [ "rust-nix-serve.socket" ]
    && lib.elem "rust-nix-serve-metrics.socket" machine.systemd.services.rust-nix-serve.wants;
  "nothing is refused, with a tokens file and with listeners of one's own" = {
    got = machine.refusals ++ own.refusals;
    want = [ ];
  };
  "where systemd opens no sockets, the daemon opens this one too" =
    !(own.systemd.sockets ? rust-nix-serve-metrics)
    && own.services.rust-nix-serve.settings.metrics.listen == [ "127.0.0.1:5001" ];
  "nginx hands no metrics out" =
    machine.services.nginx.virtualHosts.cache.locations."= /metrics".return == "404";
  "which is not public" = {
    got = machine.networking.firewall.allowedTCPPorts;
    want = [ 80 ];
  };
  "it collects from there" = {
    got = (builtins.head (builtins.head machine.services.prometheus.scrapeConfigs).static_configs).targets;
    want = [ "127.0.0.1:5001" ];
  };
  "Grafana has the dashboard" = {
    got = map (provider: provider.name) machine.services.grafana.provision.dashboards.settings.providers;
    want = [ "rust-nix-serve" ];
  };
}
