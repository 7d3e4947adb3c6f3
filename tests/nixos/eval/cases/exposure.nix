# A part of the store.
{
  evaluate,
  modules,
  pkgs,
  ...
}:
let
  with' =
    options:
    evaluate [
      modules.nixos.default
      {
        services.rust-nix-serve = {
          enable = true;
          hostName = "cache";
        }
        // options;
      }
    ];
  machine = with' {
    expose = {
      roots = [
        "/run/current-system"
        pkgs.hello
      ];
      names = [ "firefox-*" ];
      signedBy = [ "cache.example.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
      deny = [ "*-secrets*" ];
      allow = [ "public-secrets" ];
    };
  };
  all = with' {
    expose = {
      everything = true;
      deny = [ "*.drv" ];
    };
  };
  free = with' { settings.expose.roots = [ "/nix/var/nix/profiles/ci" ]; };
  nothing = with' { settings.expose.everything = false; };
  expose = machine: machine.services.rust-nix-serve.settings.expose;
in
{
  "a choice is enough, in whatever way it is written" = {
    got = machine.refusals ++ all.refusals ++ free.refusals ++ nothing.refusals;
    want = [ ];
  };
  "the daemon gets every term" = {
    got = expose machine;
    want = {
      roots = [
        "/run/current-system"
        "${pkgs.hello}"
      ];
      names = [ "firefox-*" ];
      signed_by = [ "cache.example.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
      deny = [ "*-secrets*" ];
      allow = [ "public-secrets" ];
    };
  };
  "everything but" = {
    got = expose all;
    want = {
      everything = true;
      deny = [ "*.drv" ];
    };
  };
  "a root of free settings stays as it is" = {
    got = (expose free).roots;
    want = [ "/nix/var/nix/profiles/ci" ];
  };
}
