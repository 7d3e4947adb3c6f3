# Ways in which people have written services.harmonia, in both forms, and services.harmonia-dev.
{ lib, ... }:
let
  key = "/var/keys/store.pem";
  everywhere = [
    "0.0.0.0:5000"
    "[::]:5000"
  ];
  shape = configuration: {
    module = "replace-harmonia";
    inherit configuration;
    streams = everywhere;
    keys = [ key ];
  };
  vhost = location: {
    enable = true;
    virtualHosts."binaries.example.org".locations."/" = location;
  };
in
{
  old-form =
    shape {
      services.harmonia.enable = true;
      services.harmonia.signKeyPath = key;
      networking.firewall.allowedTCPPorts = [ 5000 ];
    }
    // {
      ports = [ 5000 ];
    };

  old-form-several-keys =
    shape {
      services.harmonia.enable = true;
      services.harmonia.signKeyPaths = [
        key
        "/var/keys/before.pem"
      ];
      nix.settings.allowed-users = [ "harmonia" ];
      services.nginx = vhost {
        extraConfig = ''
          proxy_pass http://127.0.0.1:5000;
          proxy_set_header Host $host;
        '';
      };
    }
    // {
      keys = [
        key
        "/var/keys/before.pem"
      ];
    };

  key-in-the-settings =
    shape (
      { config, ... }:
      {
        services.harmonia.enable = true;
        services.harmonia.settings.sign_key_path = key;
        # The secret was made the service's own.
        systemd.tmpfiles.rules = [
          "z ${key} 0400 ${config.users.users.harmonia.name} ${config.users.users.harmonia.group} -"
        ];
      }
    );

  new-form =
    shape {
      services.harmonia.cache = {
        enable = true;
        signKeyPaths = [ key ];
        settings.bind = "127.0.0.1:5000";
        settings.priority = 30;
      };
    }
    // {
      streams = [ "127.0.0.1:5000" ];
      settings.cache_info.priority = 30;
    };

  only-a-key = shape {
    services.harmonia.cache.enable = true;
    services.harmonia.cache.signKeyPaths = [ key ];
  };

  proxy-reads-the-address =
    shape (
      { config, ... }:
      {
        services.harmonia = {
          enable = true;
          signKeyPaths = [ key ];
          settings.bind = "127.0.0.1:7001";
        };
        services.nginx = vhost { proxyPass = "http://${config.services.harmonia.settings.bind}"; };
      }
    )
    // {
      streams = [ "127.0.0.1:7001" ];
      conf = "proxy_pass http://127.0.0.1:7001;";
    };

  proxy-reads-the-default =
    shape (
      { config, ... }:
      {
        services.harmonia.cache.enable = true;
        services.harmonia.cache.signKeyPaths = [ key ];
        services.nginx = vhost {
          proxyPass = "http://${config.services.harmonia.cache.settings.bind}";
        };
      }
    )
    // {
      conf = "proxy_pass http://[::]:5000;";
    };

  port-cut-from-the-address =
    shape (
      { config, ... }:
      {
        services.harmonia = {
          enable = true;
          settings.bind = "0.0.0.0:5005";
          signKeyPath = key;
        };
        networking.firewall.allowedTCPPorts = [
          (lib.toInt (lib.last (lib.splitString ":" config.services.harmonia.settings.bind)))
        ];
      }
    )
    // {
      streams = [ "0.0.0.0:5005" ];
      ports = [ 5005 ];
    };

  loopback-in-brackets =
    shape {
      services.harmonia = {
        enable = true;
        signKeyPaths = [ key ];
        settings.bind = "[::1]:8916";
      };
    }
    // {
      streams = [ "[::1]:8916" ];
    };

  unix-socket =
    shape {
      services.harmonia.cache = {
        enable = true;
        signKeyPaths = [ key ];
        settings.bind = "unix:/run/harmonia/socket";
      };
      services.nginx = vhost { proxyPass = "http://unix:/run/harmonia/socket"; };
    }
    // {
      streams = [ "/run/harmonia/socket" ];
      conf = "proxy_pass http://unix:/run/harmonia/socket;";
    };

  flake-of-its-own =
    shape {
      services.harmonia-dev = {
        daemon.enable = true;
        cache = {
          enable = true;
          signKeyPaths = [ key ];
          settings = {
            bind = "[::]:5000";
            workers = 8;
            max_connection_rate = 512;
            priority = 30;
          };
        };
      };
    }
    // {
      settings.workers = 8;
      settings.cache_info.priority = 30;
      warning = "services.harmonia-dev.daemon has no effect";
    };

  flake-of-its-own-older =
    shape {
      services.harmonia-dev.enable = true;
      services.harmonia-dev.signKeyPaths = [ key ];
    };

  another-store =
    shape {
      services.harmonia.cache = {
        enable = true;
        signKeyPaths = [ key ];
        settings.virtual_nix_store = "/nix/store";
        settings.real_nix_store = "/srv/mirror/nix/store";
        settings.nix_db_path = "/srv/mirror/nix/var/nix/db/db.sqlite";
      };
    }
    // {
      settings.store = {
        dir = "/nix/store";
        real_dir = "/srv/mirror/nix/store";
        database = "/srv/mirror/nix/var/nix/db/db.sqlite";
      };
    };

  tls-of-its-own =
    shape {
      services.harmonia = {
        enable = true;
        signKeyPaths = [ key ];
        settings = {
          bind = "0.0.0.0:5443";
          tls_cert_path = "/var/keys/tls.crt";
          tls_key_path = "/var/keys/tls.key";
        };
      };
    }
    // {
      streams = [ ];
      settings.listen = [ "tls://0.0.0.0:5443" ];
    };

  compressed =
    shape {
      services.harmonia = {
        enable = true;
        signKeyPaths = [ key ];
        settings.enable_compression = true;
        settings.zstd.level = 9;
      };
    }
    // {
      warning = "services.rust-nix-serve.narCache.enable";
    };

  restarted-by-its-secret = shape (
    { config, ... }:
    {
      services.harmonia.cache.enable = true;
      services.harmonia.cache.signKeyPaths = [ key ];
      environment.etc."restart-units".text = config.systemd.services.harmonia.name;
    }
  );

  within-a-slice =
    shape {
      services.harmonia.enable = true;
      services.harmonia.signKeyPaths = [ key ];
      systemd.services.harmonia.serviceConfig = {
        Slice = "ci.slice";
        MemoryMax = "2G";
      };
    }
    // {
      warning = "systemd.services.harmonia: the server runs as rust-nix-serve.service";
    };

  merged-from-parts =
    shape (
      { lib, ... }:
      {
        services.harmonia = lib.mkMerge [
          { enable = true; }
          {
            settings.priority = lib.mkDefault 41;
            signKeyPaths = lib.mkIf true [ key ];
          }
          { signKeyPaths = lib.mkIf false [ "/var/keys/other.pem" ]; }
        ];
      }
    )
    // {
      settings.cache_info.priority = 41;
    };

  watched =
    shape (
      { config, ... }:
      {
        services.harmonia.cache = {
          enable = true;
          signKeyPaths = [ key ];
          settings.bind = "127.0.0.1:5000";
        };
        services.prometheus.scrapeConfigs = [
          {
            job_name = "binaries";
            static_configs = [ { targets = [ config.services.harmonia.cache.settings.bind ]; } ];
          }
        ];
      }
    )
    // {
      streams = [ "127.0.0.1:5000" ];
    };

  not-enabled =
    shape {
      services.harmonia.cache.signKeyPaths = [ key ];
      services.harmonia.daemon.enable = true;
    }
    // {
      off = true;
    };
}
