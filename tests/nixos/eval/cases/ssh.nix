# The store over SSH, signed.
{
  evaluate,
  has,
  modules,
  ...
}:
let
  machine = evaluate [
    modules.nixos.default
    {
      services.rust-nix-serve = {
        enable = true;
        ssh = {
          enable = true;
          keys = [ "ssh-ed25519 AAAA client" ];
        };
      };
    }
  ];
in
{
  "nothing is refused" = {
    got = machine.refusals;
    want = [ ];
  };
  "clients read as nix-ssh" =
    machine.services.openssh.enable
    && machine.users.users.nix-ssh.openssh.authorizedKeys.keys == [ "ssh-ed25519 AAAA client" ];
  "they may not write" = !machine.nix.sshServe.write;
  "new builds are signed with the key of the cache" = {
    got = machine.nix.settings.secret-key-files;
    want = [ "/var/lib/rust-nix-serve/secret-key" ];
  };
  "what is there already is signed, after the key was made" =
    has "sign-store.sh" (machine.unit "rust-nix-serve-sign.service")
    && has "rust-nix-serve-key.service" (machine.unit "rust-nix-serve-sign.service");
}
