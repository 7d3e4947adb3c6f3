"""A container that answers to the part of the NixOS test driver's machine that the scenarios use."""

import pathlib
import shutil
import subprocess
import time

import control_group

class Failure(Exception):
    """A scenario did not go as it says."""


class Machine:
    def __init__(self, name, namespace, base, work, address, binds=(), path=()):
        self.name = name
        self.namespace = namespace
        self.group = f"{namespace}.{name}"
        self.address = address
        self.binds = binds
        self.path = ":".join([*path, "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"])
        self.process = None
        self.leader = None
        self.directory = pathlib.Path(work) / name
        self.root = self.directory / "root"
        for part in ["upper", "work", "root"]:
            (self.directory / part).mkdir(parents=True)
        layers = f"lowerdir={base},upperdir={self.directory}/upper,workdir={self.directory}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, self.root], check=True)

    def write(self, path, text):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def start(self):
        console = open(self.directory / "console", "ab")
        nspawn = [
            *["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot", "--console=read-only"],
            *[f"--machine={self.name}", f"--directory={self.root}", "--network-bridge=br0"],
            *[f"--bind-ro={bind}" for bind in self.binds],
        ]
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, "unshare", "-m", "--propagation", "private"]
            + ["bash", "-c", control_group.BOOT, "boot", self.group, *nspawn],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
        )
        self.leader = self._retry(self._find_leader, 30, "no init process")
        self._retry(self._booted, 60, "does not finish booting")
        commands = ["ip link set lo up", "ip link set host0 up"]
        commands += [f"ip addr add {address} dev host0 nodad" if ":" in address
                     else f"ip addr add {address} dev host0" for address in self.address]
        self.succeed(" && ".join(commands))

    def _find_leader(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name} ended while booting")
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return child
        return None

    def _booted(self):
        state = self.execute("systemctl is-system-running --wait")[1].strip()
        if state == "degraded":
            raise Failure(f"{self.name}: {self.execute('systemctl --failed --no-legend --plain')[1]}")
        return state == "running"

    def shutdown(self):
        self.execute("systemctl poweroff")
        try:
            self.process.wait(timeout=90)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} does not power off") from None
        self.process = None
        control_group.end(self.group)

    def dispose(self):
        control_group.end(self.group)
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        subprocess.run(["umount", self.root], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def last_words(self):
        """For the report of a failure."""
        if self.leader and self.process and self.process.poll() is None:
            units = " ".join(f"-u '{unit}'" for unit in ["rust-nix-serve*", "nginx", "acme*", "pebble", "nftables"])
            asked = self.execute(f"{{ systemctl list-jobs; journalctl --no-pager -n 60 {units}; }} 2>&1")
            return "".join(asked[1:])
        console = self.directory / "console"
        return console.read_text(errors="replace")[-4000:] if console.exists() else "was not started"

    def execute(self, command, timeout=300):
        environment = {"PATH": self.path, "HOME": "/root", "LANG": "C.UTF-8", "USER": "root"}
        try:
            done = subprocess.run(
                ["nsenter", "-t", self.leader, "-a", "-r", "bash", "-c", f"set -euo pipefail; cd /root; {command}"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=timeout,
                check=False,
                text=True,
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name}: {command}\ndid not end within {timeout} s") from None
        return done.returncode, done.stdout, done.stderr

    def succeed(self, command):
        status, output, error = self.execute(command)
        if status != 0:
            raise Failure(f"{self.name}: {command}\nended with {status}\n{output}{error}")
        return output

    def fail(self, command):
        status, output, _ = self.execute(command)
        if status == 0:
            raise Failure(f"{self.name}: {command}\nshould have failed\n{output}")
        return output

    def wait_until_succeeds(self, command, timeout=60):
        last = []

        def attempt():
            status, output, error = self.execute(command)
            last[:] = [output, error]
            return (output or True) if status == 0 else None

        try:
            return self._retry(attempt, timeout, command)
        except Failure as failure:
            raise Failure(f"{failure}\n{''.join(last)}") from None

    def wait_for_unit(self, unit, timeout=60):
        self.wait_until_succeeds(f"systemctl is-active --quiet {unit}", timeout)

    def wait_for_open_port(self, port, timeout=60):
        self.wait_until_succeeds(f"(: </dev/tcp/localhost/{port})", timeout)

    def _retry(self, attempt, seconds, what):
        end = time.monotonic() + seconds
        while True:
            result = attempt()
            if result:
                return result
            if time.monotonic() > end:
                raise Failure(f"{self.name}: {what} (not within {seconds} s)")
            time.sleep(0.2)
