# What is refused, with advice.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
  option = name: "services.rust-nix-serve.${name}";

  secrets =
    lib.optional (cfg.secretKeyFile != null) {
      name = "secretKeyFile";
      file = cfg.secretKeyFile;
    }
    ++ map (file: {
      name = "secretKeyFiles";
      inherit file;
    }) cfg.secretKeyFiles;

  # As the daemon gets it, free settings included.
  expose = cfg.settings.expose or { };
  chosen = lib.any (term: (expose.${term} or [ ]) != [ ]) [
    "roots"
    "names"
    "signed_by"
  ];
  decided = chosen || expose ? everything;
  hiddenOf = lib.filter (
    root:
    lib.any (place: root == place || lib.hasPrefix "${place}/" root) [
      "/home"
      "/root"
      "/run/user"
      "/tmp"
      "/var/tmp"
    ]
  );
  hidden =
    map (root: "${option "expose.roots"}: ${root}") (hiddenOf (expose.roots or [ ]))
    ++ map (root: "${option "narCache.prewarm.roots"}: ${root}") (
      hiddenOf (cfg.settings.nar_cache.prewarm_roots or [ ])
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

  # toString, never interpolation: that would copy a path literal into the store to complain about it.
  outsideStore =
    { name, file }:
    {
      assertion = !(builtins.isPath file) && !(lib.hasPrefix builtins.storeDir (toString file));
      message = ''
        ${option name} is ${toString file}: ${
          if builtins.isPath file then
            "a path literal, which becomes a file in the Nix store"
          else
            "a file in the Nix store"
        }, and the store is what this machine publishes. Keep it outside and name it by a string,
        "/run/secrets/cache-key" for instance; sops-nix and agenix put it there.
      '';
    };
in
{
  config = lib.mkIf cfg.enable {
    assertions = map outsideStore secrets ++ [
      {
        assertion = cfg.hostName != null -> decided;
        message = ''
          ${option "hostName"} lets others reach the cache, but what it shows is not written. Choose, for instance
            ${option "expose.roots"} = [ "/nix/var/nix/profiles/ci" ];
          or, if everything in this machine's Nix store may be read by everybody who may read,
            ${option "expose.everything"} = true;
        '';
      }
      {
        assertion = cfg.expose.everything -> !chosen;
        message = ''
          ${option "expose.everything"} and a choice (${option "expose.roots"}, .names, .signedBy) contradict each other:
          remove one of them.
        '';
      }
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
        message = "${option "ssh.enable"} lets nobody in: name the clients' public SSH keys in ${option "ssh.keys"}.";
      }
    ];

    warnings =
      lib.optional (cfg.openPorts != [ ] && cfg.hostName == null && !decided) ''
        ${option "bindAddress"} lets other machines read everything in this machine's Nix store. If that is meant, say
        ${option "expose.everything"} = true; otherwise choose, with ${option "expose.roots"} for instance.
      ''
      ++ lib.optional (cfg.openFirewall && cfg.openPorts == [ ]) ''
        ${option "openFirewall"} opens nothing: the cache listens for this machine only. Set ${option "hostName"}, or
        ${option "bindAddress"} to an address that other machines reach.
      '';
  };
}
