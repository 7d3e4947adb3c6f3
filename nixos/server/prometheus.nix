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
    services.prometheus.scrapeConfigs = [
      {
        job_name = "rust-nix-serve";
        static_configs = [ { targets = [ "127.0.0.1:${toString cfg.port}" ]; } ];
      }
    ];

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
