# Sourced: evaluates in a store that is thrown away, for the machine may have none, or none to write to.
evaluate() {
  local store status=0
  store=$(mktemp -d)
  nix --extra-experimental-features nix-command eval --store "local?root=$store" "$@" || status=$?
  chmod -R u+w "$store"
  rm -rf "$store"
  return $status
}
