#!/usr/bin/python3
"""serve.py PREFIX DIRECTORY

Runs OpenStack Swift, unpacked below PREFIX by tests/lab/install-swift, on free ports of loopback: one
replica, objects below DIRECTORY, with the S3 interface and one bucket named `cache`. The key is a
throw-away one: test:tester, testing. Says `listening on PORT` on standard error when it answers, and
ends, with all that it started, when it is killed.
"""

import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

SERVERS = ["object", "container", "account", "proxy"]

# Programs of Swift look for this file in /etc.
LAUNCH = """
import runpy, sys
import swift.common.utils
swift.common.utils.SWIFT_CONF_FILE = sys.argv[1]
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

STORAGE = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {here}
devices = {here}/devices
mount_check = false
user = {user}
workers = 0
log_level = WARNING
log_address = /dev/null
disable_fallocate = true
fallocate_reserve = 0
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""

PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {here}
user = {user}
workers = 0
log_level = WARNING
log_address = /dev/null
[pipeline:main]
pipeline = catch_errors cache listing_formats bulk s3api tempauth slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def make_rings(here, ports):
    from swift.common.ring import RingBuilder

    for name, port in zip(SERVERS[:3], ports):
        builder = RingBuilder(2, 1, 0)
        place = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "one"}
        builder.add_dev({**place, "weight": 1.0, "replication_ip": "127.0.0.1",
                         "replication_port": port, "meta": ""})
        builder.rebalance()
        builder.get_ring().save(str(here / f"{name}.ring.gz"))


def die_with_parent():
    """Servers leave the process group that they were started in, and would outlive a killed test."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_for(action, seconds=120):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except (OSError, urllib.error.URLError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def make_bucket(port):
    url = f"http://127.0.0.1:{port}/auth/v1.0"
    login = {"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=login)) as answer:
        token, account = answer.headers["X-Auth-Token"], answer.headers["X-Storage-Url"]
    request = urllib.request.Request(f"{account}/cache", method="PUT", data=b"",
                                     headers={"X-Auth-Token": token})
    urllib.request.urlopen(request).close()


def main():
    prefix, here = pathlib.Path(sys.argv[1]) / "root", pathlib.Path(sys.argv[2]).resolve()
    libraries = [str(path) for path in (prefix / "usr/lib").glob("*-linux-gnu*")]
    packages = str(prefix / "usr/lib/python3/dist-packages")
    environment = {**os.environ, "PYTHONPATH": packages, "PYTHONDONTWRITEBYTECODE": "1",
                   "LD_LIBRARY_PATH": ":".join(libraries)}
    if os.environ.get("PYTHONPATH") != packages:
        # Libraries are looked for where they were when the process began.
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    (here / "devices/one").mkdir(parents=True, exist_ok=True)
    (here / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_prefix = lab\nswift_hash_path_suffix = lab\n")
    user = subprocess.check_output(["id", "-un"], text=True).strip()
    *ports, memcached = free_ports(5)
    make_rings(here, ports)
    commands = [[str(prefix / "usr/bin/memcached"), "-l", "127.0.0.1", "-p", str(memcached),
                 "-U", "0", "-u", user]]
    for name, port in zip(SERVERS, ports):
        text = PROXY if name == "proxy" else STORAGE
        file = here / f"{name}-server.conf"
        file.write_text(
            text.format(port=port, here=here, user=user, name=name, memcached=memcached))
        commands.append([sys.executable, "-c", LAUNCH, str(here / "swift.conf"),
                         str(prefix / f"usr/bin/swift-{name}-server"), str(file)])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)
                 for command in commands]
    try:
        wait_for(lambda: make_bucket(ports[3]))
        print(f"listening on {ports[3]}", file=sys.stderr, flush=True)
        processes[-1].wait()
    finally:
        for process in processes:
            process.kill()


if __name__ == "__main__":
    main()
