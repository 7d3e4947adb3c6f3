let
  https = import ./https.nix;
  certificates = import ../machines/client-certificates.nix;
in
https
// {
  cache.imports = [
    https.cache
    {
      services.rust-nix-serve.access = {
        clientCa = builtins.toFile "client-ca.pem" certificates.ca;
        subjects = [ "read: O=Example" ];
      };
    }
  ];
  client = {
    imports = [
      https.client
      # Older ones show no certificate.
      ({ pkgs, ... }: { nix.package = pkgs.nixVersions.latest; })
    ];
    environment.etc = {
      "client.pem".text = certificates.good;
      "stranger.pem".text = certificates.stranger;
    };
  };
}
