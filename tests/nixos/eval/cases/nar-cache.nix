# Compressed NARs that nginx sends by itself.
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
    options:
    evaluate [
      modules.nixos.default
      {
        services.rust-nix-serve = {
          enable = true;
          hostName = "cache";
          expose.everything = true;
        }
        // options;
      }
    ];
  machine = with' { };
  elsewhere = with' {
    narCache = {
      enable = true;
      directory = "/srv/nars";
      maxSize = "1TiB";
    };
  };
  warm = with' {
    narCache = {
      enable = true;
      prewarm = {
        roots = [
          "/nix/var/nix/profiles/ci"
          pkgs.hello
        ];
        newPaths = true;
      };
    };
  };
  none = with' { narCache.enable = false; };
  plain = evaluate [
    modules.nixos.default
    {
      services.rust-nix-serve = {
        enable = true;
        hostName = "cache";
        expose.everything = true;
      };
      services.nginx.package = lib.mkForce (
        let
          package = pkgs.nginx // {
            modules = [ ];
            override = _: package;
          };
        in
        package
      );
    }
  ];
  alone = evaluate [
    modules.nixos.default
    {
      services.rust-nix-serve = {
        enable = true;
      };
    }
  ];
in
{
  "zstd is on without a word, within a bound" =
    machine.services.rust-nix-serve.settings.nar_cache.compression == "zstd"
    && alone.services.rust-nix-serve.settings.nar_cache.compression == "zstd"
    && alone.services.rust-nix-serve.settings.nar_cache.size == "20GiB"
    && has "CacheDirectory=rust-nix-serve\n" (alone.unit "rust-nix-serve.service");
  "nothing is refused" = {
    got = machine.refusals ++ elsewhere.refusals ++ alone.refusals;
    want = [ ];
  };
  "the daemon may write the directory, and nginx read it" =
    has "CacheDirectory=rust-nix-serve\n" (machine.unit "rust-nix-serve.service")
    && has "Group=rust-nix-serve-nars\n" (machine.unit "rust-nix-serve.service")
    && machine.users.groups ? rust-nix-serve-nars;
  "nginx is in the group of the NAR cache, and in no other" = {
    got = machine.users.users.nginx.extraGroups;
    want = [ "rust-nix-serve-nars" ];
  };
  "without nginx the daemon has its own group" = has "Group=rust-nix-serve\n" (
    alone.unit "rust-nix-serve.service"
  );
  # An nginx that was only reloaded has its old groups.
  "the daemon sends files that nginx may not read or does not find" =
    has "error_page 403 404 = @rust-nix-serve;" machine.nginxConf;
  "headers that the operator says for all hosts stay" =
    has "more_set_headers" machine.nginxConf && !(has "add_header" machine.nginxConf);
  "an nginx without headers-more gets along" =
    has "add_header ETag" plain.nginxConf && !(has "more_" plain.nginxConf);
  "nginx knows the place, the outside does not" =
    has "alias /var/cache/rust-nix-serve/;" machine.nginxConf && has "internal;" machine.nginxConf;
  "the daemon knows which socket is nginx's" =
    has "FileDescriptorName=nginx\n" (machine.unit "rust-nix-serve.socket")
    && machine.services.rust-nix-serve.settings.nginx.location == "/nar-cache/";
  "a directory on a file system of its own is waited for" =
    has "RequiresMountsFor=/srv/nars\n" (elsewhere.unit "rust-nix-serve.service");
  "a directory of one's own" =
    has "ReadWritePaths=/srv/nars\n" (elsewhere.unit "rust-nix-serve.service")
    && lib.elem "d /srv/nars 0750 rust-nix-serve rust-nix-serve-nars -" elsewhere.systemd.tmpfiles.rules
    && elsewhere.services.rust-nix-serve.settings.nar_cache.size == "1TiB";
  "paths that are compressed in advance" =
    warm.services.rust-nix-serve.settings.nar_cache.prewarm_roots == [
      "/nix/var/nix/profiles/ci"
      "${pkgs.hello}"
    ]
    && warm.services.rust-nix-serve.settings.nar_cache.prewarm_new
    && !machine.services.rust-nix-serve.settings.nar_cache.prewarm_new;
  "without it nothing is compressed or kept" =
    !(none.services.rust-nix-serve.settings ? nar_cache)
    && !(has "CacheDirectory" (none.unit "rust-nix-serve.service"));
  "without nginx the daemon sends them" = !(alone.services.rust-nix-serve.settings ? nginx);
}
