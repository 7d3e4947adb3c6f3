# Secrets managers write a new directory, turn the link to it and delete the old one, on a file system in memory. Every
# such change of keys and tokens counts within seconds, and a withdrawn one leaves no copy.
generations = 0


def deploy(**texts):
    """One generation of secrets, as sops-nix and agenix write it."""
    global generations
    generations += 1
    new = f"/run/secrets.d/{generations}"
    files = [f"printf '%s\\n' '{text}' >{new}/{name}" for name, text in texts.items()]
    cache.succeed(" && ".join(["umask 077", f"mkdir -p {new}", *files]))
    cache.succeed(f"ln -sfn {new} /run/secrets.new && mv -T /run/secrets.new /run/secrets")
    cache.succeed(f"rm -rf /run/secrets.d/{generations - 1}")


def make_key(name):
    cache.succeed(f"cd /root && rm -f {name}.* && nix-store --generate-binary-cache-key {name} {name}.secret {name}.public")
    return cache.succeed(f"cat /root/{name}.secret").strip()


def make_token(name):
    """The token, and the line that stands for it on the cache."""
    token = cache.succeed(f"rust-nix-serve token create {name} --file - 2>/tmp/explanation").strip()
    return token, cache.succeed(f"grep '^{name} .*sha256:' /tmp/explanation").strip()


def answers(status, url, options=""):
    return f"test $(curl -s -o /dev/null -w '%{{http_code}}' {options} {url}) = {status}"


# The place for secrets comes after the services here, as on a machine that has no secrets before its first switch.
cache.wait_for_unit("rust-nix-serve.service")
cache.succeed("mkdir -p /run/secrets.d && mount -t ramfs -o nodev,nosuid,mode=0751 ramfs /run/secrets.d")
path = build(cache, "greeting", noise=20000)
narinfo = f"http://cache/{hash_part(path)}.narinfo"
pid = main_pid(cache)

reader, reader_line = make_token("reader")
for number in range(5):
    token, line = make_token(f"laptop-{number}")
    laptop = f"-u laptop-{number}:{token}"
    deploy(key=make_key(f"key-{number}"), tokens=f"{reader_line}\n{line}")
    signed = f"curl -sSf -u reader:{reader} {narinfo}"
    client.wait_until_succeeds(f"{signed} | grep '^Sig: key-{number}:'")
    assert client.succeed(signed).count("Sig: ") == 1
    client.wait_until_succeeds(answers(200, narinfo, laptop))
    # Revoked.
    deploy(key=make_key(f"key-{number}"), tokens=reader_line)
    client.wait_until_succeeds(answers(401, narinfo, laptop))
# Nothing was restarted for that.
assert main_pid(cache) == pid

# Other ways for a file to change: written in place, put in place, another mode and back.
key = make_key("written")
cache.succeed("cat /root/written.secret >/run/secrets/key")
client.wait_until_succeeds(f"{signed} | grep '^Sig: written:'")
make_key("renamed")
cache.succeed("cp /root/renamed.secret /run/secrets/.key && touch -d 2001-01-01 /run/secrets/.key")
cache.succeed("mv /run/secrets/.key /run/secrets/key")
client.wait_until_succeeds(f"{signed} | grep '^Sig: renamed:'")

# The copies are the daemon's alone: nginx reads NARs, from a directory that it shares with the daemon, and no keys.
copies = "/run/rust-nix-serve-keys"
cache.succeed(f"test -s {copies}/run/secrets/key")
cache.succeed(f"test -z \"$(find {copies} ! -user rust-nix-serve -o -perm /077)\"")
client.wait_until_succeeds(f"curl -sSf -o /dev/null '{nar_url(client, f'http://reader:{reader}@cache', path)}'")
nars = "/var/cache/rust-nix-serve"
cache.wait_until_succeeds(f"find {nars} -type f -name '*-zstd-*' | grep -q .")
nginx = cache.succeed("ps -o user:32= -C nginx | grep -v root | head -n 1").strip()
as_nginx = f"setpriv --reuid {nginx} --regid $(id -g {nginx}) --init-groups"
cache.succeed(f"{as_nginx} cat $(find {nars} -type f -name '*-zstd-*') >/dev/null")
cache.fail(f"{as_nginx} cat {copies}/run/secrets/key")
cache.fail(f"{as_nginx} ls {copies}")

# A secret that is withdrawn altogether leaves no copy.
deploy(tokens=reader_line)
cache.wait_until_succeeds(f"! test -e {copies}/run/secrets/key")
cache.succeed(f"test -s {copies}/run/secrets/tokens")
