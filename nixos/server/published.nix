# Publishing is a decision, which has to be written.
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
  # Without the machine's store there is nothing that could be shown by mistake.
  decided = chosen || expose ? everything || !(cfg.settings.store.enabled or true);
  # In each case the public knows where the cache is.
  published =
    if cfg.hostName != null then
      "hostName"
    else if (cfg.settings.public_url or "") != "" then
      "settings.public_url"
    else
      null;
in
{
  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = published != null -> decided;
        message = ''
          ${option (toString published)} lets others reach the cache, but its exposure is not written. Choose, for instance
            ${option "expose.roots"} = [ "/nix/var/nix/profiles/ci" ];
          or, if everything in this machine's Nix store may be read by all clients that may read,
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
    ];

    warnings = lib.optional (cfg.openPorts != [ ] && cfg.hostName == null && !decided) ''
      ${option "bindAddress"} lets other machines read everything in this machine's Nix store. If that is meant, say
      ${option "expose.everything"} = true; otherwise choose, with ${option "expose.roots"} for instance.
    '';
  };
}
