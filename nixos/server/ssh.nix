# The store over SSH, signed: what `nix.sshServe` and a signing key in nix.conf are written by hand for.
{
  config,
  lib,
  ...
}:
let
  cfg = config.services.rust-nix-serve;
  keyFiles = lib.concatMapStringsSep " " (file: "'${file}'") cfg.signingKeys;
in
{
  config = lib.mkIf (cfg.enable && cfg.ssh.enable) {
    nix.sshServe = {
      enable = true;
      inherit (cfg.ssh) keys write;
    };

    # Over HTTP the daemon signs while it serves; over SSH a client sees the signatures in the store alone.
    # This signs what is built from now on, the unit what is there already.
    nix.settings.secret-key-files = cfg.signingKeys;

    systemd.services.rust-nix-serve-sign = {
      description = "Signatures in the Nix store for clients over SSH";
      after = [
        "nix-daemon.socket"
        "rust-nix-serve-key.service"
      ];
      wants = [ "rust-nix-serve-key.service" ];
      wantedBy = [ "multi-user.target" ];
      path = [ config.nix.package ];
      serviceConfig = {
        Type = "oneshot";
        Nice = 19;
        IOSchedulingClass = "idle";
      };
      script = ''
        for key in ${keyFiles}; do
          if [ -e "$key" ]; then
            nix --extra-experimental-features nix-command store sign --all --key-file "$key"
          else
            echo "<4>$key does not exist: nothing is signed with it" >&2
          fi
        done
      '';
    };
  };
}
