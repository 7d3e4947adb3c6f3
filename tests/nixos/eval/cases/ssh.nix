# The store over SSH, signed.
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
        expose.everything = true;
        ssh = {
          enable = true;
          keys = [ "ssh-ed25519 AAAA client" ];
        };
      };
    }
  ];
  refused =
    options:
    lib.any (has "ssh.everything") (evaluate [
      modules.nixos.default
      {
        services.rust-nix-serve = {
          enable = true;
          ssh.enable = true;
        }
        // options;
      }
    ]).refusals;
  everything.everything = true;
in
{
  "what HTTP keeps back is not shown over SSH without a word" =
    refused { }
    && refused { expose.roots = [ "/run/current-system" ]; }
    && refused { expose = everything // { deny = [ "*-secrets*" ]; }; }
    && refused {
      expose = everything;
      tokensFile = "/run/secrets/tokens";
    }
    && refused {
      expose = everything;
      settings.cache.team.expose.roots = [ "/run/current-system" ];
    };
  "with one it is" =
    !(refused {
      expose.roots = [ "/run/current-system" ];
      ssh = {
        enable = true;
        everything = true;
      };
    });
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
  "signing takes its time: a timer starts it, and neither boot nor daemon waits" =
    let
      units = lib.filterAttrs (name: _: name != "rust-nix-serve-sign.timer") machine.systemd.units;
      isAwaited = lib.any (unit: has "rust-nix-serve-sign" unit.text) (
        lib.attrValues (removeAttrs units [ "rust-nix-serve-sign.service" ])
      );
    in
    has "OnActiveSec=10s\n" (machine.unit "rust-nix-serve-sign.timer")
    && machine.systemd.services.rust-nix-serve-sign.wantedBy == [ ]
    && machine.systemd.timers.rust-nix-serve-sign.wantedBy == [ "timers.target" ]
    && !(has "Before=" (machine.unit "rust-nix-serve-sign.service"))
    && !isAwaited;
}
