# One machine that uses a cache: files made from the same data as those of the NixOS module.
given:
let
  data = ../../../nixos/data;
  toText = import (data + "/ini.nix");
  when = condition: attrs: if condition then attrs else { };
  pushes = given.push != null;
  program = "/usr/local/bin/rust-nix-serve";
  units = import (data + "/push-unit.nix") {
    inherit program;
    inherit (given) push;
  };
  hook = "/usr/local/lib/rust-nix-serve/queue-build";
in
{
  files =
    when given.ssh { "/etc/client-key" = given.sshKey.private; }
    // when given.certified {
      "/etc/client.pem" = given.certificates.good;
      "/etc/stranger.pem" = given.certificates.stranger;
    }
    // when pushes (
      builtins.listToAttrs (
        map (name: {
          name = "/etc/systemd/system/${name}";
          value = toText units.${name};
        }) (builtins.attrNames units)
      )
      // {
        ${toString given.push.tokenFile} = "none\n";
      }
    );
  # Files that are run.
  programs = when pushes {
    ${hook} =
      "#!/bin/sh\n"
      + import (data + "/push-hook.nix") {
        inherit program;
        queue = "/var/lib/rust-nix-serve-queue/queue.sqlite";
      };
  };
  enable = if pushes then builtins.filter (name: units.${name} ? Install) (builtins.attrNames units) else [ ];
  nixConf = if pushes && !given.push.watch then "post-build-hook = ${hook}\n" else "";
}
