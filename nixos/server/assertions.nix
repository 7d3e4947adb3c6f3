# Refused values, with advice.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
  option = name: "services.rust-nix-serve.${name}";

  # As the daemon gets it, free settings included.
  expose = cfg.settings.expose or { };
  part = import ./parts/expose.nix { inherit lib; };
  chosen = part.isChoice expose;
  # Those who come over SSH read the store itself, with nothing in between.
  isWhole =
    expose.everything or false && !chosen && (expose.deny or [ ]) == [ ] && !(cfg.settings ? cache);
  isOpen =
    lib.elem "read" (cfg.settings.access.anonymous or [ "read" ]) && !(cfg.settings ? access.tokens);
  hidden =
    map (root: "${option "expose.roots"}: ${root}") (part.hidden (expose.roots or [ ]))
    ++ map (root: "${option "narCache.prewarm.roots"}: ${root}") (
      part.hidden (cfg.settings.nar_cache.prewarm_roots or [ ])
    );

  isEncrypted =
    cfg.nginx.enable
    && cfg.hostName != null
    && (
      let
        host = config.services.nginx.virtualHosts.${cfg.hostName};
      in
      host.forceSSL || host.addSSL || host.onlySSL
    );
in
{
  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = hidden == [ ];
        message = ''
          The daemon cannot see ${lib.concatStringsSep ", " hidden}. Home and temporary directories are hidden from it. Name a profile below /nix/var/nix/profiles or a link below
          /nix/var/nix/gcroots instead: nix build --profile /nix/var/nix/profiles/ci
        '';
      }
      {
        assertion = cfg.nginx.enable -> cfg.hostName != null;
        message = "${option "nginx.enable"} needs ${option "hostName"}, the name of the virtual host.";
      }
      {
        assertion = cfg.settings ? listen -> !cfg.nginx.enable && cfg.bindAddress == [ ];
        message = ''
          ${option "settings.listen"} opens the listeners in the daemon; with nginx or ${option "bindAddress"}
          systemd opens them. Remove one of the two: addresses can be written as ${option "bindAddress"} and
          ${option "port"}.
        '';
      }
      {
        assertion = cfg.access.clientCa != null -> isEncrypted;
        message = ''
          ${option "access.clientCa"} is for an nginx that speaks TLS, which it does not here. Set
          ${option "hostName"} and a certificate; without nginx, listen on tls:// in ${option "settings.listen"} and name
          the file in ${option "settings.tls.client_ca"}.
        '';
      }
      {
        assertion = cfg.ssh.enable -> cfg.ssh.keys != [ ];
        message = "${option "ssh.enable"} lets no client in: name the clients' public SSH keys in ${option "ssh.keys"}.";
      }
      {
        assertion = cfg.ssh.enable -> cfg.ssh.everything || isWhole && isOpen;
        message = ''
          ${option "ssh.enable"} shows the whole store to the holders of ${option "ssh.keys"}, without regard to
          ${option "expose"} and ${option "tokensFile"} say. If that is meant, write
            ${option "ssh.everything"} = true;
        '';
      }
    ];

    warnings =
      lib.optional (cfg.openFirewall && cfg.openPorts == [ ]) ''
        ${option "openFirewall"} opens nothing: ${
          if cfg.settings ? listen then
            "ports of ${option "settings.listen"} are opened with networking.firewall.allowedTCPPorts"
          else if cfg.hostName == null then
            "the cache listens for this machine only. Set ${option "hostName"}, or ${option "bindAddress"} to an address that other machines reach"
          else if !cfg.nginx.enable then
            "the cache listens for this machine only, and the server in front of it instead of nginx opens its own ports"
          else
            "nginx listens for this machine only"
        }.
      '';
  };
}
