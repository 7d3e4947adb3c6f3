# The ports that are open are those on which nginx listens for other machines, as its configuration has them.
{
  evaluate,
  has,
  lib,
  modules,
  ...
}:
let
  with' =
    nginx:
    evaluate [
      modules.nixos.default
      {
        services.rust-nix-serve = {
          enable = true;
          hostName = "cache.example.org";
          expose.everything = true;
          acme.email = "admin@example.org";
        };
        services.nginx = nginx;
      }
    ];
  opened = machine: lib.sort lib.lessThan machine.networking.firewall.allowedTCPPorts;

  # The `listen` lines of nginx.conf, loopback and sockets left out.
  listened =
    machine:
    let
      lines = lib.filter (line: line != null) (
        map (builtins.match " *listen (.*):([0-9]+)( .*)?;") (lib.splitString "\n" machine.nginxConf)
      );
      isPublic = line: builtins.match "127\\..*|\\[::1]|localhost|unix:.*" (lib.head line) == null;
      ports = map (line: lib.toIntBase10 (lib.elemAt line 1)) (lib.filter isPublic lines);
    in
    lib.sort lib.lessThan (lib.unique ports);

  shapes = {
    usual = {
      nginx = { };
      want = [
        80
        443
      ];
    };
    "addresses without ports" = {
      nginx.defaultListen = [ { addr = "10.0.0.1"; } ];
      want = [
        80
        443
      ];
    };
    "TLS on one address, plain HTTP on another" = {
      nginx.defaultListen = [
        {
          addr = "10.0.0.1";
          port = 8443;
          ssl = true;
        }
        {
          addr = "127.0.0.1";
          port = 8080;
          ssl = false;
        }
      ];
      want = [ 8443 ];
    };
    "a proxy's port beside the usual ones" = {
      nginx.defaultListen = [
        { addr = "0.0.0.0"; }
        {
          addr = "[::]";
          port = 444;
          ssl = true;
          proxyProtocol = true;
        }
      ];
      want = [
        80
        443
        444
      ];
    };
    "ports of another choice" = {
      nginx = {
        defaultListenAddresses = [ "0.0.0.0" ];
        defaultHTTPListenPort = 8080;
        defaultSSLListenPort = 8443;
      };
      want = [
        8080
        8443
      ];
    };
    "settings of the virtual host go before it" = {
      nginx = {
        defaultListen = [ { addr = "10.0.0.1"; } ];
        virtualHosts."cache.example.org".listen = [
          {
            addr = "0.0.0.0";
            port = 8443;
            ssl = true;
          }
        ];
      };
      want = [ 8443 ];
    };
    "this machine alone" = {
      nginx.defaultListen = [
        { addr = "127.0.0.1"; }
        { addr = "[::1]"; }
      ];
      want = [ ];
    };
  };
  machines = lib.mapAttrs (_: shape: with' shape.nginx) shapes;
in
lib.concatMapAttrs (name: machine: {
  ${name} = {
    got = opened machine;
    inherit (shapes.${name}) want;
  };
  "${name}: nginx listens there" = {
    got = listened machine;
    inherit (shapes.${name}) want;
  };
}) machines
// {
  "nothing is refused" = {
    got = lib.concatMap (machine: machine.refusals) (lib.attrValues machines);
    want = [ ];
  };
  "a firewall that opens nothing is told of" = has "nginx listens for this machine only" (
    toString machines."this machine alone".warnings
  );
}
