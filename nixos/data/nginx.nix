# What nginx is told about a cache, as plain data in the shape of the NixOS options `services.nginx.upstreams`
# and `services.nginx.virtualHosts.<name>`. The NixOS module merges it; data/nginx-text.nix writes it as text.
{
  # Unix socket of the daemon.
  socket,
  upstream ? "rust-nix-serve",
  # Who may read /metrics besides this machine: addresses or networks.
  metricsFrom ? [ ],
}:
let
  lines = builtins.concatStringsSep "\n";

  forwarded = ''
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $host;
  '';

  proxied = extraConfig: {
    proxyPass = "http://${upstream}";
    # The lines below are complete: a second set of the same headers would reach the daemon twice.
    recommendedProxySettings = false;
    extraConfig = forwarded + extraConfig;
  };
in
{
  upstreams.${upstream} = {
    servers."unix:${socket}" = { };
    # Shorter than the daemon keeps idle connections (120 s): nginx is the one that closes.
    extraConfig = ''
      keepalive 64;
      keepalive_timeout 60s;
    '';
  };

  virtualHost = {
    http2 = true;
    locations = {
      "/" = proxied ''
        # A compressed answer has no length and no ranges: a cut download would start again from nothing.
        gzip off;
        # Large answers pass through memory only; a slow reader must not fill the disk of the cache.
        proxy_max_temp_file_size 0;
        proxy_buffer_size 16k;
        proxy_buffers 8 64k;
        proxy_busy_buffers_size 128k;
        # Clients stop reading for minutes while they unpack, and continue.
        send_timeout 15m;
        proxy_read_timeout 15m;
      '';
      "= /metrics" = proxied (
        lines (
          map (address: "allow ${address};") (
            [
              "127.0.0.1"
              "::1"
            ]
            ++ metricsFrom
          )
          ++ [ "deny all;\n" ]
        )
      );
    };
    # A client asks for thousands of narinfos on one connection; the default of 1000 makes it connect anew in between.
    extraConfig = ''
      keepalive_requests 100000;
    '';
  };
}
