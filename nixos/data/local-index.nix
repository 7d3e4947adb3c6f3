# The database of `index.createLocally`. Plain data.
rec {
  # It has the name of its owner, and the owner that of the daemon's account: PostgreSQL asks the system who is there.
  database = "rust-nix-serve";
  socket = "/run/postgresql";
  url = "postgres:///${database}?host=${socket}&user=${database}";
}
