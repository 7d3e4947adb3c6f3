# Tokens that travel in the clear are open to the whole network.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
  option = name: "services.rust-nix-serve.${name}";
  host = config.services.nginx.virtualHosts.${cfg.hostName};

  hasTokens = access: access ? tokens || (access.oidc or { }) != { };
  accesses = map (part: part.access or { }) (
    [ cfg.settings ] ++ lib.attrValues (cfg.settings.cache or { })
  );
  plainHost =
    cfg.nginx.enable
    && cfg.hostName != null
    && !(host.forceSSL || host.addSSL || host.onlySSL);
  isReachable = address: builtins.match "127\\..*|::1|unix:.*" address == null;
  plainAddresses = lib.filter isReachable cfg.listeners.addresses;
  plainListeners = lib.filter (
    listen: builtins.match "(tls://|unix:|127\\.|localhost|\\[::1]).*" listen == null
  ) (cfg.settings.listen or [ ]);
  where = lib.optional plainHost "http://${cfg.hostName}" ++ plainAddresses ++ plainListeners;
in
{
  config = lib.mkIf cfg.enable {
    warnings = lib.optional (lib.any hasTokens accesses && where != [ ]) ''
      Clients send their tokens to ${lib.concatStringsSep ", " where} in the clear, where others on the way can read and use
      them. Use HTTPS: ${option "hostName"} with a certificate, or tls:// in ${option "settings.listen"}.
    '';
  };
}
