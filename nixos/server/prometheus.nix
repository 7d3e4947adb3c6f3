{
  config,
  lib,
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
  };
}
