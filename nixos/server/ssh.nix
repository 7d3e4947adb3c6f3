# The store over SSH, signed: what `nix.sshServe` and a signing key in nix.conf are written by hand for.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
in
{
  config = lib.mkIf (cfg.enable && cfg.ssh.enable) {
    nix.sshServe = {
      enable = true;
      inherit (cfg.ssh) keys write;
    };

    # Over HTTP the daemon signs while it serves; over SSH a client sees the signatures in the store alone. This signs
    # what is built from now on, rust-nix-serve-sign.service of data/unit.nix what is there already.
    nix.settings.secret-key-files = cfg.signingKeys;
    systemd.services.rust-nix-serve-sign.path = [ config.nix.package ];
  };
}
