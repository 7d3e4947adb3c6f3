# Ways in which people have written services.nix-serve (and nix-serve-ng, which has the same options), as they read and
# write it in their own configurations.
{ lib, pkgs, ... }:
let
  key = "/var/keys/store.pem";
  everywhere = [ "0.0.0.0:5000" ];
  shape = configuration: {
    module = "replace-nix-serve";
    inherit configuration;
    streams = everywhere;
    keys = [ key ];
  };
  # The usual proxy in front of it: the address is read from the old options.
  proxied = host: {
    services.nginx.enable = true;
    services.nginx.virtualHosts.${host} = { };
  };
  readAddress =
    config: "http://${config.services.nix-serve.bindAddress}:${toString config.services.nix-serve.port}";
in
{
  tutorial =
    shape (
      { config, ... }:
      {
        services.nix-serve.enable = true;
        services.nix-serve.secretKeyFile = key;
        services.nginx = {
          enable = true;
          recommendedProxySettings = true;
          virtualHosts."binaries.lan".locations."/".proxyPass = readAddress config;
        };
        networking.firewall.allowedTCPPorts = [ config.services.nginx.defaultHTTPListenPort ];
      }
    )
    // {
      conf = "proxy_pass http://0.0.0.0:5000;";
      ports = [ 80 ];
    };

  only-a-key = shape {
    services.nix-serve.enable = true;
    services.nix-serve.secretKeyFile = key;
  };

  nothing-but-enable = shape { services.nix-serve.enable = true; } // {
    keys = [ ];
  };

  open-to-the-lan =
    shape {
      services.nix-serve = {
        enable = true;
        openFirewall = true;
        bindAddress = "0.0.0.0";
        port = 8090;
        secretKeyFile = key;
      };
    }
    // {
      streams = [ "0.0.0.0:8090" ];
      ports = [ 8090 ];
    };

  loopback-behind-tls =
    let
      port = 7500;
    in
    shape {
      services.nix-serve = {
        enable = true;
        inherit port;
        bindAddress = "127.0.0.1";
        secretKeyFile = key;
      };
      security.acme.acceptTerms = true;
      security.acme.defaults.email = "admin@example.org";
      services.nginx.enable = true;
      services.nginx.virtualHosts."binaries.example.org" = {
        enableACME = true;
        forceSSL = true;
        locations."/".proxyPass = "http://127.0.0.1:${toString port}";
      };
    }
    // {
      streams = [ "127.0.0.1:7500" ];
      conf = "proxy_pass http://127.0.0.1:7500;";
    };

  other-implementation =
    shape (
      { config, ... }:
      {
        services.nix-serve = {
          enable = true;
          package = pkgs.hello;
          secretKeyFile = key;
        };
        services.nginx.enable = true;
        services.nginx.virtualHosts.binaries.locations."/".extraConfig = ''
          proxy_pass http://localhost:${toString config.services.nix-serve.port};
        '';
      }
    )
    // {
      conf = "proxy_pass http://localhost:5000;";
    };

  implementation-that-is-gone = shape {
    services.nix-serve = {
      enable = true;
      package = throw "this package was removed";
      secretKeyFile = key;
    };
  };

  forced-implementation = shape (
    { config, ... }:
    {
      services.nix-serve.enable = true;
      services.nix-serve.secretKeyFile = key;
      services.nix-serve.package = lib.mkForce pkgs.hello;
      environment.systemPackages = [ config.services.nix-serve.package ];
    }
  );

  tunnel-only =
    shape (
      { config, ... }:
      {
        services.nix-serve = {
          enable = true;
          bindAddress = "10.77.0.3";
          port = 5069;
          secretKeyFile = key;
        };
        networking.firewall.interfaces.wg0.allowedTCPPorts = [ config.services.nix-serve.port ];
      }
    )
    // {
      streams = [ "10.77.0.3:5069" ];
    };

  every-family =
    shape {
      services.nix-serve = {
        enable = true;
        bindAddress = "[::]";
        secretKeyFile = key;
      };
    }
    // {
      streams = [ "[::]:5000" ];
    };

  loopback-in-brackets =
    shape (
      { config, ... }:
      lib.recursiveUpdate (proxied "binaries") {
        services.nix-serve = {
          enable = true;
          bindAddress = "[::1]";
          secretKeyFile = key;
        };
        services.nginx.virtualHosts.binaries.locations."/".proxyPass = readAddress config;
      }
    )
    // {
      streams = [ "[::1]:5000" ];
      conf = "proxy_pass http://[::1]:5000;";
    };

  loopback-by-name =
    shape (
      { config, ... }:
      lib.recursiveUpdate (proxied "binaries") {
        services.nix-serve = {
          enable = true;
          bindAddress = "localhost";
          secretKeyFile = key;
        };
        services.nginx.virtualHosts.binaries.locations."/".proxyPass = readAddress config;
      }
    )
    // {
      streams = [
        "127.0.0.1:5000"
        "[::1]:5000"
      ];
      conf = "proxy_pass http://localhost:5000;";
    };

  no-address =
    shape {
      services.nix-serve = {
        enable = true;
        bindAddress = "";
        secretKeyFile = key;
      };
    }
    // {
      streams = [
        "0.0.0.0:5000"
        "[::]:5000"
      ];
    };

  every-address-by-a-star =
    shape {
      services.nix-serve = {
        enable = true;
        bindAddress = "*6";
        secretKeyFile = key;
      };
    }
    // {
      streams = [ "[::]:5000" ];
    };

  priority-of-its-own =
    shape {
      services.nix-serve = {
        enable = true;
        bindAddress = "127.0.0.1";
        extraParams = "--priority 100";
        secretKeyFile = key;
      };
    }
    // {
      streams = [ "127.0.0.1:5000" ];
      settings.cache_info.priority = 100;
    };

  several-parameters =
    shape {
      services.nix-serve = {
        enable = true;
        extraParams = lib.concatStringsSep " " [
          "--priority=35"
          "--workers=2"
          "--error-log /var/log/nix-serve.log"
        ];
        secretKeyFile = key;
      };
    }
    // {
      settings.cache_info.priority = 35;
      settings.workers = 2;
      warning = "No effect have the parameters --error-log /var/log/nix-serve.log.";
    };

  caddy-in-front =
    shape (
      { config, ... }:
      {
        services.nix-serve.enable = true;
        services.nix-serve.secretKeyFile = key;
        services.caddy.enable = true;
        services.caddy.virtualHosts."binaries.example.org".extraConfig = ''
          reverse_proxy ${readAddress config}
        '';
      }
    );

  restarted-by-its-secret = shape (
    { config, ... }:
    {
      services.nix-serve.enable = true;
      services.nix-serve.secretKeyFile = key;
      # As a secrets manager writes it.
      environment.etc."restart-units".text = config.systemd.services.nix-serve.name;
    }
  );

  secret-of-its-user = shape (
    { config, ... }:
    {
      services.nix-serve.enable = true;
      services.nix-serve.secretKeyFile = key;
      systemd.tmpfiles.rules = [
        "z ${key} 0400 ${config.systemd.services.nix-serve.serviceConfig.User} ${config.systemd.services.nix-serve.serviceConfig.Group} -"
      ];
    }
  );

  confined =
    shape {
      services.nix-serve.enable = true;
      services.nix-serve.secretKeyFile = key;
      systemd.services.nix-serve.serviceConfig = {
        MemoryMax = "1G";
        IPAddressAllow = "localhost";
        IPAddressDeny = "any";
        Restart = "always";
      };
    }
    // {
      warning = "systemd.services.nix-serve: the server runs as rust-nix-serve.service";
    };

  after-its-secret =
    shape {
      services.nix-serve.enable = true;
      services.nix-serve.secretKeyFile = key;
      systemd.services.nix-serve = {
        after = [ "store-key.service" ];
        partOf = [ "store-key.service" ];
      };
    }
    // {
      warning = "systemd.services.rust-nix-serve";
    };

  others-wait-for-it = shape {
    services.nix-serve.enable = true;
    services.nix-serve.secretKeyFile = key;
    systemd.services.runner = {
      after = [ "nix-serve.service" ];
      requires = [ "nix-serve.service" ];
      script = "true";
    };
  };

  restricted-daemon = shape {
    services.nix-serve.enable = true;
    services.nix-serve.secretKeyFile = key;
    nix.settings.allowed-users = [ "nix-serve" ];
  };

  key-that-nix-signs-with = shape (
    { config, ... }:
    {
      nix.settings.secret-key-files = [ key ];
      services.nix-serve = {
        enable = true;
        openFirewall = true;
        secretKeyFile = builtins.head config.nix.settings.secret-key-files;
      };
    }
  )
  // {
    ports = [ 5000 ];
  };

  several-machines-one-module =
    shape (
      { config, lib, ... }:
      {
        services.nix-serve = lib.mkIf (config.networking.hostName == "machine") {
          enable = lib.mkDefault true;
          port = lib.mkForce 5500;
          secretKeyFile = lib.mkOverride 90 key;
        };
      }
    )
    // {
      streams = [ "0.0.0.0:5500" ];
    };
}
