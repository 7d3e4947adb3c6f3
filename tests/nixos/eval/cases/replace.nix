# The modules that take over old configurations: their options and their refusals; published.nix has such configurations.
{
  evaluate,
  has,
  lib,
  modules,
  pkgs,
  ...
}:
let
  with' =
    name: options:
    evaluate [
      modules.nixos."replace-${name}"
      options
    ];
  nix-serve =
    options: with' "nix-serve" { services.nix-serve = { enable = true; } // options; };
  harmonia =
    settings:
    with' "harmonia" {
      services.harmonia.cache = {
        enable = true;
        inherit settings;
      };
    };
  refused = words: machine: lib.any (has words) machine.refusals;

  written = nix-serve {
    bindAddress = "127.0.0.1";
    port = 5001;
    secretKeyFile = "/var/secrets/cache-private-key.pem";
    extraParams = "--workers 2 --timeout 30";
  };
  lines = lib.splitString "\n" (toString written.warnings);
  # The advice, pasted.
  pasted = evaluate [
    modules.nixos.default
    {
      services.rust-nix-serve.enable = true;
      services.rust-nix-serve.bindAddress = "127.0.0.1";
      services.rust-nix-serve.port = 5001;
      services.rust-nix-serve.secretKeyFile = "/var/secrets/cache-private-key.pem";
      services.rust-nix-serve.settings.workers = 2;
    }
  ];
  units = machine: lib.filterAttrs (name: _: lib.hasPrefix "rust-nix-serve" name) machine.systemd.units;
  texts = machine: lib.mapAttrs (_: unit: unit.text) (units machine);

  both = with' "nix-serve" {
    services.nix-serve.enable = true;
    services.nix-serve.secretKeyFile = "/var/secrets/key.pem";
    services.rust-nix-serve = {
      hostName = "cache";
      expose.everything = true;
      bindAddress = "127.0.0.1";
      priority = 30;
    };
  };
  unnamed = nix-serve { };
  off = with' "nix-serve" {
    services.nix-serve.secretKeyFile = "/var/secrets/key.pem";
  };
  standIn = unnamed.systemd.services.nix-serve;
in
{
  "nix-serve: the message can be pasted" = {
    got = lib.filter (lib.hasPrefix "  services.") lines;
    want = [
      "  services.rust-nix-serve.bindAddress = \"127.0.0.1\";"
      "  services.rust-nix-serve.enable = true;"
      "  services.rust-nix-serve.port = 5001;"
      "  services.rust-nix-serve.secretKeyFile = \"/var/secrets/cache-private-key.pem\";"
      "  services.rust-nix-serve.settings.workers = 2;"
    ];
  };
  # Messages name the old option or the new one; the rest is the same to the letter.
  "and means the same" = lib.attrNames (texts written) == lib.attrNames (texts pasted)
    && (texts written)."rust-nix-serve-tcp.socket" == (texts pasted)."rust-nix-serve-tcp.socket"
    && written.services.rust-nix-serve.settings == pasted.services.rust-nix-serve.settings;
  "it names what has no effect, and the other priority" =
    has "--timeout 30" (toString written.warnings) && has "was 30" (toString written.warnings);
  "a store that everybody reads, as there, is worth a word" = has "expose.everything" (
    toString unnamed.warnings
  );
  "new options win over old ones" =
    both.refusals == [ ]
    && both.systemd.sockets.rust-nix-serve-tcp.socketConfig.ListenStream == [ "127.0.0.1:5000" ]
    && both.services.rust-nix-serve.settings.cache_info.priority == 30
    && !(has "was 30" (toString both.warnings));
  "without the old `enable` nothing happens" =
    !off.services.rust-nix-serve.enable && off.warnings == [ ] && !(off.systemd.services ? nix-serve);

  "the old name waits for the new one, and is stopped before it starts" =
    standIn.after == [ "rust-nix-serve.service" ]
    && standIn.wants == [ "rust-nix-serve.service" ]
    && standIn.stopIfChanged
    && standIn.serviceConfig.User == "rust-nix-serve";

  "nix-serve: names are no addresses" = refused ''"cache.lan" is a name'' (nix-serve {
    bindAddress = "cache.lan";
  });
  "nix-serve: nor is one with a port" = refused "has a port" (nix-serve {
    bindAddress = "127.0.0.1:5000";
  });
  "nix-serve: parameters that say where or what are refused, with what takes their place" =
    refused ''--socket /run/x.sock: a unix socket is services.rust-nix-serve.bindAddress = "unix:/path"'' (
      nix-serve { extraParams = "--socket /run/x.sock"; }
    )
    && refused "settings.store.root" (nix-serve { extraParams = "--store=/mnt"; })
    && refused "settings.tls" (nix-serve { extraParams = "--ssl-cert a --ssl-key b"; });
  "nix-serve: a priority is a number" = refused "--priority wants a number" (nix-serve {
    extraParams = "--priority high";
  });
  "nix-serve: a key as a path literal is refused, not copied" = refused "path literal" (nix-serve {
    secretKeyFile = ./replace.nix;
  });
  "nix-serve: a key in the store is refused" = refused "Keep it outside" (nix-serve {
    secretKeyFile = "${pkgs.hello}/key";
  });

  "harmonia: an address that is none" = refused "expected ADDRESS:PORT" (harmonia { bind = "5000"; });
  "harmonia: a name that is none" = refused ''"cache.lan" is a name'' (harmonia {
    bind = "cache.lan:5000";
  });
  "harmonia: settings that mean nothing here are refused, not dropped" =
    refused "knows nothing like settings.colour, settings.shape" (harmonia {
      colour = "red";
      shape = "round";
    });
  "harmonia: what has no effect is named with the reason" = has "settings.max_connection_rate has no effect: there is no such limit" (
    toString (harmonia { max_connection_rate = 256; }).warnings
  );
  "harmonia: the message can be pasted" =
    has ''services.rust-nix-serve.bindAddress = "*";'' (toString (harmonia { }).warnings)
    && has ''services.rust-nix-serve.settings.store.real_dir = "/srv/store";'' (
      toString (harmonia { real_nix_store = "/srv/store"; }).warnings
    );
}
