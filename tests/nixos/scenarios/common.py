# Before every scenario, in both drivers. The scenarios use machines with
#   succeed fail wait_for_unit wait_until_succeeds wait_for_open_port shutdown start
# and nothing else, so that a machine may be a NixOS VM or a container with another system.


def build(machine, name, **size):
    """Builds a path that nothing but its name and size sets apart, and returns it: see machines/fixture.nix."""
    arguments = " ".join(f"--arg {key} {value}" for key, value in size.items())
    return machine.succeed(f"nix-build /etc/fixture.nix --no-out-link --argstr name {name} {arguments}").strip()


def hash_part(path):
    return path.removeprefix("/nix/store/").split("-")[0]


def reachable(machine, url="http://cache"):
    """Waits until the machine has a network and a cache answers there, ready to serve or not."""
    machine.wait_until_succeeds(f"curl -sSf {url}/healthz")


def public_key(machine):
    # The key is made beside the boot.
    return machine.wait_until_succeeds("cat /var/lib/rust-nix-serve/public-key").strip()


def realise(path, url, key, options=""):
    """The command by which a client gets a path from a cache whose key it trusts, and from nowhere else."""
    return (
        f"HOME=$(mktemp -d) nix-store --realise {path} --option substituters '{url}'"
        f" --option trusted-public-keys '{key}' --option require-sigs true {options} 2>&1"
    )


def slow_download(machine, url, to, rate="8M", options=""):
    """Starts a download that takes its time; `finished` waits for it."""
    machine.succeed(
        f"rm -f {to} {to}.status; "
        f"(curl -sSf {options} --limit-rate {rate} -o {to} '{url}' 2>{to}.error; echo $? >{to}.status) >/dev/null 2>&1 &"
    )
    # It runs when something of it has arrived.
    machine.wait_until_succeeds(f"test -s {to} || {{ cat {to}.error; false; }}")


def finished(machine, to):
    """Waits for the download and returns the hash of what came."""
    machine.wait_until_succeeds(f"test -s {to}.status")
    machine.succeed(f"test $(cat {to}.status) = 0 || {{ cat {to}.error; false; }}")
    return machine.succeed(f"sha256sum < {to}").split()[0]


def running(machine, to):
    machine.fail(f"test -e {to}.status")


def nar_url(machine, base, path, options=""):
    narinfo = machine.succeed(f"curl -sSf {options} {base}/{hash_part(path)}.narinfo")
    url = [line for line in narinfo.splitlines() if line.startswith("URL: ")][0]
    return f"{base}/{url.removeprefix('URL: ')}"


def nar_hash(machine, path):
    return machine.succeed(f"nix-store --dump {path} | sha256sum").split()[0]


def main_pid(machine):
    return machine.succeed("systemctl show --property MainPID --value rust-nix-serve.service").strip()




def make_token(cache, name, allow):
    """Makes a token of the cache and puts its line into the file of tokens; returns the token."""
    token = cache.succeed(f"rust-nix-serve token create {name} --allow {allow} --file - 2>/tmp/explanation").strip()
    cache.succeed(
        f"mkdir -p /var/secrets && umask 077 && grep '^{name} .*sha256:' /tmp/explanation >>/var/secrets/tokens"
    )
    return token
