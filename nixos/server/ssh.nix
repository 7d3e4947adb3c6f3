# The store over SSH, signed: in place of `nix.sshServe` and a signing key in nix.conf by hand.
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
    # paths that are built from now on, rust-nix-serve-sign.service of data/unit.nix those that are there already.
    nix.settings.secret-key-files = cfg.signingKeys;
    systemd.services.rust-nix-serve-sign.path = [ config.nix.package ];
  };
}
