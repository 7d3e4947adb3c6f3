{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
in
{
  config = lib.mkIf (cfg.enable && cfg.prometheus.enable) {
    # Otherwise systemd opens it.
    services.rust-nix-serve.settings.metrics.listen = lib.optionals (
      cfg.settings ? listen
    ) cfg.listeners.metricsStreams;

    services.prometheus.scrapeConfigs = [
      {
        job_name = "rust-nix-serve";
        static_configs = [ { targets = [ cfg.listeners.metricsTarget ]; } ];
      }
    ];

    # About collections: near the limit, overdue, cut off.
    services.prometheus.rules = [ (builtins.toJSON (import ../data/alerts.nix)) ];

    services.grafana.provision = lib.mkIf cfg.prometheus.dashboard {
      enable = true;
      dashboards.settings.providers = [
        {
          name = "rust-nix-serve";
          options.path = pkgs.writeTextDir "rust-nix-serve.json" (
            builtins.toJSON (import ../data/dashboard.nix)
          );
        }
      ];
    };
  };
}
