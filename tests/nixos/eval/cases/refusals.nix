# Configurations that cannot be meant: each is refused, or warned of, in words that name a better value. Right
# ones are left alone: see the end.
{
  evaluate,
  has,
  lib,
  modules,
  pkgs,
  ...
}:
let
  machine =
    options: more:
    evaluate [
      modules.nixos.default
      { services.rust-nix-serve = { enable = true; } // options; }
      more
    ];
  refused = words: options: refusedWith words options { };
  refusedWith =
    words: options: more:
    {
      got = lib.filter (lib.hasInfix words) (machine options more).refusals != [ ];
      want = true;
    };
  warned = words: options: warnedWith words options { };
  warnedWith =
    words: options: more:
    let
      it = machine options more;
    in
    it.refusals == [ ] && has words (toString it.warnings);
  # Neither refused nor warned of.
  fine = options: fineWith options { };
  fineWith =
    options: more:
    let
      it = machine options more;
    in
    {
      got = it.refusals ++ it.warnings;
      want = [ ];
    };

  public = {
    hostName = "cache.example.org";
    expose.everything = true;
    acme.email = "admin@example.org";
  };
  lan = {
    hostName = "cache";
    expose.everything = true;
  };
  named = hostName: public // { inherit hostName; };
  compressed = narCache: {
    narCache = {
      enable = true;
    }
    // narCache;
  };
  collected = gc: { gc = { enable = true; } // gc; };
in
{
  # Exposure.
  "a public store without a decision" = refused "expose.everything = true" {
    hostName = "cache.example.org";
  };
  "nor behind another proxy than ours" = refused "settings.public_url lets others reach the cache" {
    settings.public_url = "https://cache.example.org";
  };
  "a denied pattern alone is no exposure" = refused "its exposure is not written" {
    hostName = "cache.example.org";
    expose.deny = [ "*-secrets*" ];
  };
  "everything and a choice" = refused "contradict" (
    public
    // {
      expose = {
        everything = true;
        roots = [ "/run/current-system" ];
      };
    }
  );
  "the whole store as a root" = refused "names the whole store" { expose.roots = [ "/nix/store" ]; };
  "everything denied" = refused "hides every path there is" { expose.deny = [ "*" ]; };
  "exceptions from nothing" = warned "expose.allow: without effect" { expose.allow = [ "hello-*" ]; };
  "a root that the daemon cannot see" = refused "/home/alice/result" {
    expose.roots = [ "/home/alice/result" ];
  };
  "a root to compress that the daemon cannot see" = refused "narCache.prewarm.roots: /root/result" (
    compressed { prewarm.roots = [ "/root/result" ]; }
  );

  # Names.
  "a name with a scheme" = refused ''write the name alone, "cache.example.org"'' (
    named "https://cache.example.org"
  );
  "a name with a path" = refused ''has a path: write the name alone, "example.org"'' (
    named "example.org/cache"
  );
  "a name with a port" = refused "has a port" (named "cache.example.org:8443");
  "an IPv6 address for a name" = refused "looks like an IPv6 address" (named "2001:db8::1");
  "one in brackets" = refused "looks like an IPv6 address" (named "[2001:db8::1]");
  "several names" = refused "serverAliases" (named "cache.example.org nix.example.org");
  "a pattern for a name" = refused "stands for many names" (named "*.example.org");
  "a name with a dot at its end" = refused "ends with a dot" (named "cache.example.org.");
  "this machine for a name" = refused "another machine for every client" (named "localhost");
  "an empty name" = refused "is no host name" (named "");
  "a name that is none" = refused "is no host name" (named "-cache.example.org");
  "an address that is none" = refused "is no host name" (named "10.0.0");
  "a name that no public server vouches for" = warned "gets no certificate" (
    removeAttrs (named "cache.local") [ "acme" ]
  );
  "nor for an address" = warned "do not vouch for addresses" (
    removeAttrs (named "192.168.1.5") [ "acme" ]
  );
  "a certificate for such a name" = refused "vouches for public names alone" (
    named "cache.lan" // { nginx.enableACME = true; }
  );
  "or for none with a dot" = refused "security.acme.defaults.server" (lan // { nginx.enableACME = true; });

  # Certificates.
  "HTTPS without a certificate" = refused "there is no certificate" (lan // { nginx.forceSSL = true; });
  "one that steps back for nothing" = refused "there is no certificate" (
    public
    // {
      nginx = {
        enableACME = false;
        forceSSL = true;
      };
    }
  );
  "certificates of clients without TLS" = refused "access.clientCa" (
    lan
    // {
      access.clientCa = "/etc/ca.pem";
      access.subjects = [ "read: O=Example" ];
    }
  );
  "an authority that nginx cannot see" = refused "hidden from nginx" (
    public // { access.clientCa = "/root/ca.pem"; }
  );
  "certificates without a permission" = warned "none has a permission" (
    public // { access.clientCa = "/etc/ca.pem"; }
  );
  "rules for certificates that are not asked for" = warned "no client is asked for a certificate" (
    public // { access.subjects = [ "read: O=Example" ]; }
  );

  # Listening.
  "nginx without a name" = refused "hostName" { nginx.enable = true; };
  "listeners from two sides" = refused "settings.listen" (
    public // { settings.listen = [ "127.0.0.1:1" ]; }
  );
  "and without nginx" = refused "settings.listen" {
    settings.listen = [ "127.0.0.1:1" ];
    bindAddress = "127.0.0.1";
  };
  "an address with a port" = refused ''"127.0.0.1:8080" has a port'' { bindAddress = "127.0.0.1:8080"; };
  "an address with brackets and a port" = refused "has a port" { bindAddress = "[::1]:8080"; };
  "a URL for an address" = refused "is a URL" { bindAddress = "http://127.0.0.1"; };
  "a name for an address" = refused "is a name, and systemd listens on addresses" {
    bindAddress = "cache.lan";
  };
  "a network for an address" = refused "is no address" { bindAddress = "10.0.0.0/8"; };
  "two addresses in one" = refused "is no address" { bindAddress = "10.0.0.1 10.0.0.2"; };
  "an interface for an address" = refused "is a name" { bindAddress = "eth0"; };
  "an address with an interface" = refused "names an interface" { bindAddress = "fe80::1%eth0"; };
  "a socket without its scheme" = refused "write unix:" { bindAddress = "/run/cache.sock"; };
  "a port that is nginx's" = refusedWith "where nginx listens" {
    bindAddress = "0.0.0.0";
    port = 80;
    expose.everything = true;
  } { services.nginx.enable = true; };
  "a port that nothing listens on" = warned "port: without effect" (public // { port = 8080; });
  "a firewall that is open for nothing" = warned "opens nothing" { openFirewall = true; };
  "with a name, the advice is not to set one" =
    let
      it = machine (lan // { nginx.enable = false; }) { };
    in
    it.refusals == [ ]
    && has "the server in front of it instead of nginx" (toString it.warnings)
    && !(has "Set services.rust-nix-serve.hostName" (toString it.warnings));
  "another server on the same port" = refusedWith "nixosModules.replace-nix-serve" { } {
    services.nix-serve.enable = true;
  };
  "or the other one" = refusedWith "nixosModules.replace-harmonia" { } {
    services.harmonia.enable = true;
  };

  # Keys and tokens.
  "a key in the store" = refused "Keep it outside" { secretKeyFile = "${builtins.storeDir}/abc-key"; };
  "a key as a path literal" = refused "path literal" { secretKeyFile = ./refusals.nix; };
  "one of several keys in the store" = refused "secretKeyFiles" {
    secretKeyFiles = [
      "/run/secrets/a"
      "${builtins.storeDir}/abc-key"
    ];
  };
  "a key that environment.etc makes" = refusedWith "environment.etc" { secretKeyFile = "/etc/cache-key"; } {
    environment.etc.cache-key.text = "not a key";
  };
  "a key in a temporary directory" = refused "temporary directories of their own" {
    secretKeyFile = "/tmp/key";
  };
  "tokens in a temporary directory" = refused "tokensFile is /var/tmp/tokens" {
    tokensFile = "/var/tmp/tokens";
  };
  "no key at all" = warned "nothing is signed" { generateSecretKey = false; };
  "a name for a key that is not made" = warned "keyName: without effect" {
    secretKeyFile = "/run/secrets/key";
    keyName = "cache-1";
  };
  "no client may read" = warned "access.anonymous is empty" { access.anonymous = [ ]; };
  "tokens in the clear" = warned "http://cache in the clear" (lan // { tokensFile = "/run/secrets/tokens"; });
  "tokens in the clear without nginx" = warned "0.0.0.0 in the clear" {
    bindAddress = "0.0.0.0";
    expose.everything = true;
    tokensFile = "/run/secrets/tokens";
  };
  "those of issuers as well" = warned "in the clear" (
    lan
    // {
      settings.access = {
        anonymous = [ ];
        oidc.ci.issuer = "https://ci.example.org";
      };
    }
  );

  # The NAR cache.
  "no size" = refused "not a size" (compressed { maxSize = "plenty"; });
  "a size of another spelling" = refused "not a size" (compressed { maxSize = "20 gigabytes"; });
  "a size without its unit" = refused "The unit belongs to it" (compressed { maxSize = "20"; });
  "a size of nothing" = refused "hardly one NAR" (compressed { maxSize = "0"; });
  "a size that is too small, in free settings" = refused "hardly one NAR" (
    compressed { } // { settings.nar_cache.size = lib.mkForce "1MiB"; }
  );
  "a shared directory" = refused "others live there" (compressed { directory = "/var/cache"; });
  "the state of the cache itself" = refused "others live there" (
    compressed { directory = "/var/lib/rust-nix-serve"; }
  );
  "a directory that the sandbox hides" = refused "are hidden from the daemon" (
    compressed { directory = "/home/cache/nars"; }
  );
  "a temporary directory" = refused "are hidden from the daemon" (compressed { directory = "/tmp/nars"; });
  "a directory in the store" = refused "nothing is kept there" (
    compressed { directory = "/nix/store/nars"; }
  );
  "a directory that climbs" = refused "without `..`" (compressed { directory = "/srv/../etc"; });
  "a directory that two words name" = refused "letters, digits" (compressed { directory = "/srv/my nars"; });
  "a directory that a unit reads otherwise" = refused "letters, digits" (compressed { directory = "/srv/%h"; });
  "a bound for a cache that is off" = warned "narCache.maxSize: without effect" {
    narCache.enable = false;
    narCache.maxSize = "1TiB";
  };
  "compressing without a cache" = warned "narCache.prewarm.roots: without effect" {
    narCache.enable = false;
    narCache.prewarm.roots = [ "/nix/var/nix/profiles/ci" ];
  };
  "or new paths" = warned "narCache.prewarm.newPaths: without effect" {
    narCache.enable = false;
    narCache.prewarm.newPaths = true;
  };

  # The other parts.
  "a collection that is off" = warned "gc.keepBuilds, services.rust-nix-serve.gc.roots: without effect" {
    gc.keepBuilds = "30d";
    gc.roots = [ "/srv/ci/result" ];
  };
  "an age that is none" = refused "write a number of hours" (collected { keepBuilds = "forever"; });
  "an age of minutes" = refused "m is minutes" (collected { keepBuilds = "1m"; });
  "an age that the collector does not take" = refused "takes days" (collected { deleteOlderThan = "4 weeks"; });
  "a root with blanks" = refused "characters that a rule" (collected { roots = [ "/srv/my result" ]; });
  "SSH that lets no client in" = refused "ssh.keys" { ssh.enable = true; };
  "keys for SSH that is off" = warned "ssh.keys: without effect" { ssh.keys = [ "ssh-ed25519 AAAA" ]; };
  "a dashboard of nothing" = warned "prometheus.dashboard: without effect" { prometheus.dashboard = true; };
  "a port of metrics that is the cache's" = refused "a port of their own" {
    prometheus = {
      enable = true;
      listenAddress = "localhost:5000";
    };
  };
  "a name for the metrics" = refused "prometheus.listenAddress: \"metrics.lan\" is a name" {
    prometheus = {
      enable = true;
      listenAddress = "metrics.lan:5001";
    };
  };
  "metrics on a socket" = refused "not from unix sockets" {
    prometheus = {
      enable = true;
      listenAddress = "unix:/run/metrics.sock:1";
    };
  };
  "metrics on no port" = refused "there is no port 70000" {
    prometheus = {
      enable = true;
      listenAddress = "127.0.0.1:70000";
    };
  };
  "an account of an ACME server without one" = warned "acme.email: without effect" (
    lan // { acme.email = "admin@example.org"; }
  );
  "a virtual host without nginx" = warned "nginx.virtualHost: without effect" {
    nginx.virtualHost.serverAliases = [ "cache.lan" ];
  };
  "a store that no daemon looks after" = warnedWith "nix.enable is false" { } { nix.enable = false; };

  # Right configurations.
  "a public store that somebody decided on" = fine public;
  "defaults of other modules are no intention" = fine {
    narCache.maxSize = lib.mkDefault "1TiB";
    gc.dates = lib.mkDefault "weekly";
    port = lib.mkDefault 5001;
  };
  "a feature may be switched off twice" = fine {
    prometheus.dashboard = false;
    narCache.prewarm.roots = [ ];
    gc.keepBuilds = null;
  };
  "every spelling of a size that the daemon takes" = {
    got = lib.concatMap (maxSize: (machine (compressed { inherit maxSize; }) { }).refusals) [
      "20GiB"
      "20G"
      "20 GB"
      "500M"
      "1TB"
      "67108864"
      "67108864B"
      "70000kB"
      "65536K"
    ];
    want = [ ];
  };
  "ages as people write them" = {
    got = lib.concatMap (keepBuilds: (machine (collected { inherit keepBuilds; }) { }).refusals) [
      "12h"
      "30d"
      "30 days"
      "2w"
      "1month"
      "1y"
    ];
    want = [ ];
  };
  "addresses as people write them" = {
    got =
      (machine {
        expose.everything = true;
        bindAddress = [
          "localhost"
          "10.0.0.1"
          "[fd00::1]"
          "unix:/run/cache.sock"
        ];
      } { }).services.rust-nix-serve.listeners.streams;
    want = [
      "127.0.0.1:5000"
      "[::1]:5000"
      "10.0.0.1:5000"
      "[fd00::1]:5000"
      "/run/cache.sock"
    ];
  };
  "a name in the network, agreed to be without a certificate" = fine (
    removeAttrs (named "cache.lan") [ "acme" ] // { nginx.enableACME = false; }
  );
  "one with a server of its own" = fineWith (named "cache.lan") {
    security.acme.defaults.server = "https://ca.lan/acme/directory";
  };
  "another server on another port" = fineWith { } {
    services.nix-serve.enable = true;
    services.nix-serve.port = 5500;
  };
  "a key in /etc that nothing makes" = fine { secretKeyFile = "/etc/nix/key"; };
  "another proxy and a decision" = fine {
    settings.public_url = "https://cache.example.org";
    expose.everything = true;
  };
  "TLS of its own with tokens" = fine {
    settings.listen = [ "tls://0.0.0.0:5443" ];
    settings.tls = {
      certificate = "/run/secrets/cert.pem";
      key = "/run/secrets/key.pem";
    };
    expose.everything = true;
    tokensFile = "/run/secrets/tokens";
  };
}
