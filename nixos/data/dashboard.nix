# A Grafana dashboard over the metrics of a cache, as plain data. Written as a file:
#   nix-instantiate --eval --strict --json nixos/data/dashboard.nix
let
  metric = name: "rust_nix_serve_${name}";
  rate = name: by: "sum by (${by}) (rate(${metric name}[5m]))";
  ratio =
    name: "sum(rate(${metric name}{result=\"hit\"}[5m])) / sum(rate(${metric name}[5m]))";

  # Title, unit as Grafana names it, and the lines: expression and legend.
  panels = [
    {
      title = "Requests";
      unit = "reqps";
      lines."{{kind}} {{status}}" = rate "requests_total" "kind, status";
    }
    {
      title = "Sent";
      unit = "Bps";
      lines."{{kind}}" = rate "response_bytes_total" "kind";
    }
    {
      title = "Narinfos that were there";
      unit = "percentunit";
      lines."found" = ratio "narinfo_lookups_total";
    }
    {
      title = "Downloads in flight, connections";
      unit = "short";
      lines = {
        "downloads" = metric "downloads_in_flight";
        "connections, {{transport}}" = metric "connections";
      };
    }
    {
      title = "Downloads that broke off";
      unit = "cps";
      lines."{{cause}}" = rate "downloads_aborted_total" "cause";
    }
    {
      title = "Needs attention";
      unit = "short";
      lines = {
        "keys that cannot be used" = metric "signing_key_problems";
        "files of tokens that were refused" = metric "token_file_problems";
        "lookups that failed, each second" = "rate(${metric "store_errors_total"}[5m])";
        "downloads, {{state}}" = rate "temp_roots_total" "state";
      };
    }
    {
      title = "NAR cache";
      unit = "bytes";
      lines = {
        "on disk" = metric "nar_cache_bytes";
        "in memory" = metric "nar_cache_memory_bytes";
      };
    }
    {
      title = "Compressed NARs that were there";
      unit = "percentunit";
      lines."found" = ratio "nar_cache_lookups_total";
    }
  ];

  columns = 2;
  place = index: {
    w = 24 / columns;
    h = 8;
    x = (index - index / columns * columns) * (24 / columns);
    y = index / columns * 8;
  };
  panel =
    index:
    let
      given = builtins.elemAt panels index;
    in
    {
      id = index + 1;
      type = "timeseries";
      inherit (given) title;
      gridPos = place index;
      datasource = {
        type = "prometheus";
        uid = "\${source}";
      };
      fieldConfig = {
        defaults.unit = given.unit;
        overrides = [ ];
      };
      targets = map (legend: {
        refId = builtins.hashString "sha256" legend;
        legendFormat = legend;
        expr = given.lines.${legend};
      }) (builtins.attrNames given.lines);
    };
in
{
  uid = "rust-nix-serve";
  title = "Nix binary cache";
  schemaVersion = 39;
  timezone = "browser";
  refresh = "30s";
  time = {
    from = "now-6h";
    to = "now";
  };
  templating.list = [
    {
      name = "source";
      label = "Source";
      type = "datasource";
      query = "prometheus";
    }
  ];
  panels = builtins.genList panel (builtins.length panels);
}
