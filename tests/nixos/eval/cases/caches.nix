# Several caches of one store, and issuers of tokens, by options with types.
{
  evaluate,
  has,
  lib,
  modules,
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
          hostName = "cache.example.org";
          acme.email = "admin@example.org";
        }
        // options;
      }
    ];
  github = {
    issuer = "https://token.actions.githubusercontent.com";
    claims = {
      repository_owner_id = "1234567";
      ref = "refs/heads/main";
    };
  };
  machine = with' {
    caches = {
      team = {
        hosts = [ "team.example.org" ];
        priority = 20;
        secretKeyFiles = [ "/run/secrets/team-key" ];
        tokensFile = "/run/secrets/team-tokens";
        expose.roots = [ "/nix/var/nix/profiles/team" ];
        oidc.providers.github = github;
      };
      releases = {
        path = "/releases";
        access.anonymous = [ "read" ];
        expose.names = [ "release-*" ];
      };
    };
  };
  beside = with' {
    expose.everything = true;
    caches.releases = {
      path = "/releases";
      access.anonymous = [ "read" ];
      expose.everything = true;
    };
  };
  issuer = with' {
    expose.everything = true;
    oidc.providers.github = github;
  };
  ported = with' {
    expose.everything = true;
    oidc.providers.ci = {
      issuer = "https://ci.example.org";
      audience = "cache";
      claims = [ "project_path=group/*" ];
      allow = [
        "read"
        "push"
      ];
      ca = "/etc/ssl/ci.pem";
    };
    access.anonymous = [ "read" ];
  };
  settings = machine: machine.services.rust-nix-serve.settings;
  refused = words: caches: lib.any (has words) (with' { inherit caches; }).refusals;
  good = {
    path = "/a";
    access.anonymous = [ "read" ];
    expose.everything = true;
  };
in
{
  "nothing is refused" = {
    got = machine.refusals ++ machine.warnings ++ beside.refusals ++ issuer.refusals ++ ported.refusals;
    want = [ ];
  };
  "each cache is as it was written" = {
    got = (settings machine).cache;
    want = {
      team = {
        hosts = [ "team.example.org" ];
        priority = 20;
        signing.keys = [ "/run/secrets/team-key" ];
        access = {
          anonymous = [ ];
          subjects = [ ];
          tokens = "/run/secrets/team-tokens";
          oidc.github = {
            inherit (github) issuer;
            audience = "https://team.example.org";
            claims = [
              "ref=refs/heads/main"
              "repository_owner_id=1234567"
            ];
            allow = [ "read" ];
          };
        };
        expose.roots = [ "/nix/var/nix/profiles/team" ];
      };
      releases = {
        path = "/releases";
        access = {
          anonymous = [ "read" ];
          subjects = [ ];
        };
        expose.names = [ "release-*" ];
      };
    };
  };
  "beside them, the cache without a name shows nothing unless it is written" =
    (settings machine).expose == { everything = false; } && (settings beside).expose == { everything = true; };
  "nginx answers to their names, with a certificate" =
    has "server_name cache.example.org team.example.org" machine.nginxConf
    && machine.security.acme.certs."cache.example.org".extraDomainNames == [ "team.example.org" ];
  "issuers of a cache open the network" = has "AF_INET6" (machine.unit "rust-nix-serve.service");

  "an issuer makes the cache private, and its audience is the cache" = {
    got = (settings issuer).access;
    want = {
      anonymous = [ ];
      oidc.github = {
        inherit (github) issuer;
        audience = "https://cache.example.org";
        claims = [
          "ref=refs/heads/main"
          "repository_owner_id=1234567"
        ];
        allow = [ "read" ];
      };
    };
  };
  "or stays public, if that is written" = {
    got = (settings ported).access;
    want = {
      anonymous = [ "read" ];
      oidc.ci = {
        issuer = "https://ci.example.org";
        audience = "cache";
        claims = [ "project_path=group/*" ];
        allow = [
          "read"
          "push"
        ];
        ca = "/etc/ssl/ci.pem";
      };
    };
  };

  "a cache without an exposure" = refused "caches.a: its exposure is not written" {
    a = removeAttrs good [ "expose" ];
  };
  "a cache that is nowhere" = refused "is nowhere" { a = removeAttrs good [ "path" ]; };
  "a cache that contradicts itself" = refused "contradict" {
    a = good // {
      expose = {
        everything = true;
        names = [ "hello-*" ];
      };
    };
  };
  "a root that the daemon cannot see" = refused "cannot be seen" {
    a = good // { expose.roots = [ "/home/alice/result" ]; };
  };
  "a host that is none" = refused "caches.a.hosts: \"https://team.example.org\" is a URL" {
    a = good // { hosts = [ "https://team.example.org" ]; };
  };
  "a name that is a host" = refused "host names are" { "team.example.org" = good; };
  "an issuer that lets all users in" = refused "every holder of a token" {
    a = good // { oidc.providers.ci = github // { claims = [ ]; }; };
  };
  "a cache without readers" = has "no client may read it" (
    toString (with' { caches.a = removeAttrs good [ "access" ]; }).warnings
  );
  "an issuer without an audience" = lib.any (has "audience: without a hostName") (
    (with' {
      hostName = null;
      acme.email = null;
      oidc.providers.github = github;
    }).refusals
  );
}
