# Alerts of Prometheus about a server, as plain data.
let
  alert = name: expr: wait: summary: {
    alert = name;
    inherit expr;
    for = wait;
    labels.severity = "warning";
    annotations.summary = summary;
  };
in
{
  groups = [
    {
      name = "rust-nix-serve";
      rules = [
        (alert "RustNixServeStorageNearLimit"
          "rust_nix_serve_retention_max_bytes > 0 and rust_nix_serve_retention_stored_bytes > 0.85 * rust_nix_serve_retention_max_bytes"
          "10m"
          "The storage of {{ $labels.instance }} is near retention.max_size; its log names the paths that go first."
        )
        (alert "RustNixServeStorageOverLimit"
          "rust_nix_serve_retention_max_bytes > 0 and rust_nix_serve_retention_stored_bytes > rust_nix_serve_retention_max_bytes"
          "1h"
          "The storage of {{ $labels.instance }} is above retention.max_size, and nothing may go: roots need it, or it is young."
        )
        (alert "RustNixServeDiskNotKeptFree"
          "rust_nix_serve_disk_free_bytes < rust_nix_serve_disk_keep_free_bytes"
          "1h"
          "The disk of the {{ $labels.of }} of {{ $labels.instance }} has less free than keep_free, and nothing more may go."
        )
        (alert "RustNixServeCollectionFails" "increase(rust_nix_serve_retention_failures_total[1h]) > 3" "1h"
          "Collections of {{ $labels.instance }} are cut off; its log says why."
        )
        (alert "RustNixServeCollectionOverdue"
          "rust_nix_serve_retention_next_run_timestamp_seconds > 0 and time() > rust_nix_serve_retention_next_run_timestamp_seconds + 3600"
          "1h"
          "No collection of {{ $labels.instance }} has ended since it was due."
        )
      ];
    }
  ];
}
