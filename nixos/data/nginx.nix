# The settings of nginx for a cache, as plain data in the shape of the NixOS options `services.nginx.upstreams`
# and `services.nginx.virtualHosts.<name>`. The NixOS module merges it; data/nginx-text.nix writes it as text.
{
  # Unix socket of the daemon.
  socket,
  upstream ? "rust-nix-serve",
  # Directory of compressed NARs that nginx sends by itself; null without.
  narCache ? null,
  # Whether nginx has the module headers-more. `add_header` in one place drops the headers that the operator
  # has added around it; this does not.
  headersMore ? false,
  # The uploads of clients: null where nothing is stored, else whether uploads are let through.
  uploads ? null,
  # File with the certificates that vouch for those of clients; null where clients show none.
  clientCa ? null,
}:
let
  # A compressed answer has no length and no ranges: a cut download would start again from nothing. Large answers pass
  # through memory only, for a slow reader must not fill the disk; clients stop reading for minutes while they unpack.
  download = ''
    gzip off;
    proxy_max_temp_file_size 0;
    proxy_buffer_size 16k;
    proxy_buffers 8 64k;
    proxy_busy_buffers_size 128k;
    send_timeout 15m;
    proxy_read_timeout 15m;
  '';

  # Said at every place that leads to the daemon, which believes nginx: else a client could say it of itself.
  certificate =
    if clientCa == null then
      ''
        proxy_set_header X-SSL-Client-Verify "";
        proxy_set_header X-SSL-Client-S-DN "";
      ''
    else
      ''
        proxy_set_header X-SSL-Client-Verify $ssl_client_verify;
        proxy_set_header X-SSL-Client-S-DN $ssl_client_s_dn;
      '';
  forwarded = ''
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $host;
  ''
  + certificate;

  # Of any size and as it comes: NARs are large, and the daemon checks them meanwhile, which may take it a while.
  upload = ''
    client_max_body_size 0;
    client_body_buffer_size 128k;
    client_body_timeout 15m;
    proxy_request_buffering off;
    proxy_send_timeout 15m;
  '';
  # nginx answers `Expect: 100-continue` itself. So that no one sends a large NAR in vain, the daemon is asked first
  # whether they may: by an upload of nix-cache-info to the same cache, which stores nothing. Roots are small, and need
  # another permission.
  asked = ''
    set $rust_nix_serve_upload "$request_method $http_expect $uri";
    if ($rust_nix_serve_upload ~* "^PUT 100-continue (?!.*/gcroots/)") {
      rewrite ^ /rust-nix-serve-upload last;
    }
  '';
  receiving = {
    "= /rust-nix-serve-upload" = proxiedTo "http://${upstream}$request_uri" (
      ''
        internal;
        auth_request /rust-nix-serve-may-upload;
        proxy_read_timeout 15m;
      ''
      + upload
    );
    "= /rust-nix-serve-may-upload" =
      proxiedTo "http://${upstream}$rust_nix_serve_cache/nix-cache-info"
        ''
          internal;
          set $rust_nix_serve_cache "";
          if ($request_uri ~ "^(/[A-Za-z0-9/._~-]+?)/(?:(?:nar|log|debuginfo|realisations|build-trace-v2)/|[^/]*$)") {
            set $rust_nix_serve_cache $1;
          }
          client_max_body_size 0;
          proxy_method PUT;
          proxy_pass_request_body off;
          proxy_set_header Content-Length 0;
          proxy_set_header Content-Encoding "";
          proxy_set_header Expect "";
          proxy_intercept_errors on;
          error_page 400 404 405 411 413 422 429 500 501 502 503 504 = @rust-nix-serve-see;
        '';
    # Anything but yes and no: the daemon says so again, to the upload itself.
    "@rust-nix-serve-see".return = "204";
  };
  refusing = ''
    limit_except GET {
      deny all;
    }
  '';

  proxied = proxiedTo "http://${upstream}";
  proxiedTo = proxyPass: extraConfig: {
    inherit proxyPass;
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
      # A client's word on redirects is not for the daemon.
      "/" = proxied (
        download
        + ''
          proxy_set_header X-Accel-Redirect "";
        ''
        + (
          if uploads == null then
            ""
          else if uploads then
            upload + asked
          else
            refusing
        )
      );
      # They have a listener of their own.
      "= /metrics".return = "404";
    }
    // (if uploads == true then receiving else { })
    // (
      if narCache == null then
        { }
      else
        {
          # The daemon names the file and its ETag, nginx sends it.
          "/nar-cache/" = {
            alias = "${narCache}/";
            extraConfig = ''
              internal;
              gzip off;
              etag off;
              if_modified_since off;
              send_timeout 15m;
              error_page 403 404 = @rust-nix-serve;
            ''
            + (
              if headersMore then
                ''
                  more_set_headers "ETag: $upstream_http_etag";
                  more_clear_headers Last-Modified;
                ''
              else
                ''
                  add_header ETag $upstream_http_etag;
                  add_header Last-Modified "";
                ''
            );
          };
          # The file made room for another one in between, or nginx has not been started since it was let in: the daemon
          # sends it after all.
          "@rust-nix-serve" = proxiedTo "http://${upstream}$request_uri" (
            download
            + ''
              proxy_set_header X-Accel-Redirect off;
            ''
          );
        }
    );
    # A client asks for thousands of narinfos on one connection; the default of 1000 makes it connect anew in between.
    extraConfig = ''
      keepalive_requests 100000;
    ''
    + (
      if clientCa == null then
        ""
      else
        ''
          ssl_client_certificate ${clientCa};
          ssl_verify_client optional;
          ssl_verify_depth 3;
        ''
    );
  };
}
