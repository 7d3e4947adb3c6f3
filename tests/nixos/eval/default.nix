# The evaluation of a NixOS configuration with our modules, for the cases beside this file.
#   nixpkgs   a checkout with `lib` and `nixos`; its own package set is used when it has one
#   nix-darwin, home-manager   checkouts of these; without, options of our own stand in for theirs
{
  nixpkgs,
  nix-darwin ? null,
  home-manager ? null,
  system ? "x86_64-linux",
}:
let
  lib = import (nixpkgs + "/lib");
  own = builtins.pathExists (nixpkgs + "/pkgs/top-level/impure.nix");
  pkgs =
    if own then
      import nixpkgs { inherit system; }
    else
      import ./pkgs.nix {
        inherit lib system;
        path = nixpkgs;
      };

  modules = import ../../../nixos/modules.nix;
  evaluate =
    configuration:
    let
      machine = import (nixpkgs + "/nixos/lib/eval-config.nix") {
        inherit lib system;
        modules = [
          {
            nixpkgs.pkgs = pkgs;
            networking.hostName = "machine";
            system.stateVersion = lib.trivial.release;
            environment.stub-ld.enable = false;
            documentation.enable = false;
            boot.loader.grub.enable = false;
            # Puts nginx.conf where nginxConf below finds it.
            services.nginx.enableReload = true;
            fileSystems."/" = {
              device = "none";
              fsType = "tmpfs";
            };
          }
        ]
        ++ lib.toList configuration;
      };
    in
    machine.config
    // {
      inherit (machine) options;
      # Messages of the assertions that do not hold.
      refusals = map (one: one.message) (lib.filter (one: !one.assertion) machine.config.assertions);
      unit = name: machine.config.systemd.units.${name}.text;
      nginxConf =
        let
          file = machine.config.environment.etc."nginx/nginx.conf".source;
        in
        file.content or file.text;
    };

  packagesOf =
    system:
    import ./pkgs.nix {
      inherit lib system;
      path = nixpkgs;
    };
  mac = packagesOf "aarch64-darwin";
  nixDarwin = import ./elsewhere/nix-darwin.nix {
    inherit lib;
    pkgs = mac;
    source = nix-darwin;
  };
  homeManager = lib.mapAttrs (
    _: pkgs:
    import ./elsewhere/home-manager.nix {
      inherit lib pkgs;
      source = home-manager;
    }
  ) {
    linux = packagesOf "x86_64-linux";
    darwin = mac;
  };

  has = lib.hasInfix;

  configured = lib.mapAttrs (
    _: options:
    evaluate [
      modules.nixos.default
      { services.rust-nix-serve = { enable = true; } // options; }
      {
        # Lines that many configurations of nginx have.
        services.nginx.commonHttpConfig = ''
          map $scheme $hsts_header {
            https "max-age=31536000; includeSubdomains; preload";
          }
          add_header Strict-Transport-Security $hsts_header;
          add_header Referrer-Policy origin-when-cross-origin;
          add_header X-Frame-Options DENY;
          add_header X-Content-Type-Options nosniff;
        '';
        services.nginx.recommendedTlsSettings = true;
        services.nginx.recommendedOptimisation = true;
        services.nginx.recommendedGzipSettings = true;
        services.nginx.recommendedProxySettings = true;
      }
    ]
  ) (import ./settings.nix);

  # The settings that the module makes of options, for the program to judge: see `settings` beside this file.
  settings = lib.mapAttrs (
    _: machine:
    {
      settings = machine.services.rust-nix-serve.daemonSettings;
      sockets = lib.optionalString machine.services.rust-nix-serve.nginx.enable "nginx";
    }
  ) configured;

  # And for nginx and gixy: see `nginx`.
  nginx = lib.mapAttrs (_: machine: machine.nginxConf) (
    lib.filterAttrs (_: machine: machine.services.nginx.enable) configured
  );

  published = lib.concatMapAttrs (
    file: _:
    lib.mapAttrs' (
      name: shape:
      lib.nameValuePair "${lib.removeSuffix ".nix" file} ${name}" (evaluate [
        modules.nixos.${shape.module}
        shape.configuration
      ])
    ) (import (./published + "/${file}") { inherit lib pkgs; })
  ) (builtins.readDir ./published);
  # And for systemd, which has published configurations as well: see `units`.
  units = lib.mapAttrs (_: machine: {
    units = lib.mapAttrs (_: unit: unit.text) (
      lib.filterAttrs (
        name: _: builtins.match "(rust-nix-serve|nix-serve|harmonia).*" name != null
      ) machine.systemd.units
    );
    rules = lib.filter (has "rust-nix-serve") machine.systemd.tmpfiles.rules;
  }) (configured // published);

  cases = lib.mapAttrs' (
    file: _:
    lib.nameValuePair (lib.removeSuffix ".nix" file) (
      import (./cases + "/${file}") {
        inherit
          evaluate
          has
          homeManager
          lib
          modules
          nixDarwin
          pkgs
          ;
      }
    )
  ) (builtins.readDir ./cases);

  report =
    case: checks:
    lib.mapAttrsToList (
      name: check:
      let
        passed = if builtins.isBool check then check else check.got == check.want;
      in
      {
        inherit passed;
        line =
          "${if passed then "ok     " else "FAILED "} ${case}: ${name}"
          + lib.optionalString (!passed && !builtins.isBool check)
            "\n        got  ${builtins.toJSON check.got}\n        want ${builtins.toJSON check.want}";
      }
    ) checks;
  results = lib.concatLists (lib.mapAttrsToList report cases);
  text = lib.concatMapStringsSep "\n" (result: result.line) results + "\n";
in
{
  inherit
    cases
    evaluate
    lib
    nginx
    pkgs
    settings
    text
    units
    ;
  # For the flake: the same as a value that exists only when everything holds.
  passed = if lib.all (result: result.passed) results then text else throw text;
}
