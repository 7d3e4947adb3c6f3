let
  push = import ./push.nix;
in
push
// {
  cache = {
    imports = [ push.cache ];
    services.rust-nix-serve.retention = {
      minAge = "10s";
      keepRoots = true;
      rules.pull-requests = {
        roots = [ "pr/*" ];
        days = 7;
      };
    };
  };
}
