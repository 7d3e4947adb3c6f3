# The data of data/nginx.nix as an nginx configuration file for machines without NixOS.
{
  nginx,
  serverName,
  serverAliases ? [ ],
  # null for plain HTTP, or { certificate, key }: plain HTTP is then redirected.
  tls ? null,
  # Directory in which an ACME client leaves its answers for HTTP-01; null without.
  acmeWebroot ? null,
}:
let
  inherit (builtins)
    attrNames
    concatStringsSep
    filter
    isString
    split
    ;
  indent =
    text: concatStringsSep "" (map (line: "    ${line}\n") (filter (line: isString line && line != "") (split "\n *" text)));
  block = head: body: "${head} {\n${body}}\n";
  each = attrs: write: concatStringsSep "" (map (name: write name attrs.${name}) (attrNames attrs));

  upstream =
    name: value:
    block "upstream ${name}" (
      indent (each value.servers (server: _options: "server ${server};\n") + value.extraConfig)
    );
  location =
    name: value:
    block "location ${name}" (
      indent (
        (
          if value ? alias then
            "alias ${value.alias};\n"
          else if value ? return then
            "return ${value.return};\n"
          else
            "proxy_pass ${value.proxyPass};\n"
        )
        + value.extraConfig or ""
      )
    );

  names = concatStringsSep " " ([ serverName ] ++ serverAliases);
  challenge =
    if acmeWebroot == null then
      ""
    else
      block "location ^~ /.well-known/acme-challenge/" (indent ''
        root ${acmeWebroot};
        auth_basic off;
      '');
  host = nginx.virtualHost;
  content = host.extraConfig + each host.locations location;
  plainListen = ''
    listen 0.0.0.0:80;
    listen [::]:80;
    server_name ${names};
  '';
  plain = block "server" (indent (plainListen + challenge + content));
  redirect = block "server" (
    indent (plainListen + challenge + block "location /" (indent "return 301 https://$host$request_uri;\n"))
  );
  encrypted = block "server" (
    indent (
      ''
        listen 0.0.0.0:443 ssl;
        listen [::]:443 ssl;
        server_name ${names};
        http2 on;
        ssl_certificate ${tls.certificate};
        ssl_certificate_key ${tls.key};
      ''
      + content
    )
  );
in
{
  upstreams = each nginx.upstreams upstream;
  # In files of their own: nginx starts before the first certificate is there if the second is included by a glob.
  plain = if tls == null then plain else redirect;
  encrypted = if tls == null then "" else encrypted;
}
