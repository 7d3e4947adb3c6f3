# Keys of the administrator: copied for the daemon by root, and again when they change.
{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  machine = evaluate [
    modules.nixos.default
    {
      services.rust-nix-serve = {
        enable = true;
        secretKeyFile = "/run/secrets/new";
        secretKeyFiles = [ "/run/secrets/old" ];
      };
    }
  ];
  copier = machine.unit "rust-nix-serve-keys.service";
  daemon = machine.unit "rust-nix-serve.service";
in
{
  "nothing is refused" = {
    got = machine.refusals;
    want = [ ];
  };
  "no key is made" = !(machine.systemd.services ? rust-nix-serve-key);
  "copies keep the paths of their files" = {
    got = machine.services.rust-nix-serve.settings.signing.keys;
    want = [
      "/run/rust-nix-serve-keys/run/secrets/new"
      "/run/rust-nix-serve-keys/run/secrets/old"
    ];
  };
  "root copies before the daemon starts" =
    has "User=root\n" copier
    && has "Before=rust-nix-serve.service\n" copier
    && has "rust-nix-serve-keys.service" daemon;
  "a reload copies first" =
    has "ReloadPropagatedFrom=rust-nix-serve.service\n" copier
    && lib.any (line: lib.hasPrefix "ExecReload=" line && has "copy-secrets.sh" line) (
      lib.splitString "\n" copier
    );
  "messages name the option" =
    has ''"services.rust-nix-serve.secretKeyFile=/run/secrets/new"'' copier
    && has ''"services.rust-nix-serve.secretKeyFiles=/run/secrets/old"'' copier;
  "a changed file is noticed" = {
    got = machine.systemd.paths.rust-nix-serve-keys.pathConfig.PathChanged;
    want = [
      "/run/secrets/new"
      "/run/secrets/old"
    ];
  };
  "nothing is frozen at start" = !(has "LoadCredential" daemon);
  "no failing start closes the socket" = has "StartLimitIntervalSec=0\n" daemon;
}
