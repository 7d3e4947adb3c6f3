let
  https = import ./https.nix;
  bucket = import ../machines/bucket.nix;
in
https
// {
  script = "push";
  cache =
    { pkgs, ... }:
    {
      imports = [ https.cache ];
      services.rust-nix-serve = {
        storage.url = "s3://cache?region=us-east-1&endpoint=http://127.0.0.1:9000";
        storage.credentialsFile = "/var/secrets/bucket";
        tokensFile = "/var/secrets/tokens";
      };
      systemd.tmpfiles.rules = [
        "C /var/secrets/bucket 0600 root root - ${pkgs.writeText "bucket" bucket.credentials}"
      ];
      systemd.services.bucket = {
        wantedBy = [ "multi-user.target" ];
        before = [ "rust-nix-serve.service" ];
        environment = {
          MINIO_ROOT_USER = bucket.key;
          MINIO_ROOT_PASSWORD = bucket.secret;
        };
        serviceConfig = {
          StateDirectory = "bucket bucket/cache";
          ExecStart = "${pkgs.minio}/bin/minio server --address 127.0.0.1:9000 /var/lib/bucket";
        };
      };
    };
}
