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
        }, and the store is what this machine publishes. Keep the key outside and name it by a string, "/run/secrets/cache-key" for
        instance; sops-nix and agenix put it there.
      '';
    };
in
{
  config = lib.mkIf cfg.enable {
    assertions = map outsideStore secrets ++ [
      {
        assertion = cfg.hostName != null -> cfg.expose.everything;
        message = ''
          ${option "hostName"} makes the cache public, but what it shows is not written. If everybody may read
          everything in this machine's Nix store, say so: ${option "expose.everything"} = true;
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
        assertion = cfg.prometheus.enable -> !(cfg.settings ? listen);
        message = ''
          ${option "prometheus.enable"} collects from a listener that systemd opens, which ${option "settings.listen"}
          replaces. Write the job for your listener in services.prometheus.scrapeConfigs.
        '';
      }
      {
        assertion = cfg.ssh.enable -> cfg.ssh.keys != [ ];
        message = "${option "ssh.enable"} lets nobody in: name the clients' public SSH keys in ${option "ssh.keys"}.";
      }
    ];

    warnings = lib.optional (cfg.openFirewall && cfg.openPorts == [ ]) ''
      ${option "openFirewall"} opens nothing: the cache listens for this machine only. Set ${option "hostName"}, or
      ${option "bindAddress"} to an address that other machines reach.
    '';
  };
}
