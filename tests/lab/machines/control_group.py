"""A control group for each container: by it everything that runs in there is found and ended."""

import subprocess

# systemd-nspawn where the machine it runs on has another init, or none: private mounts, a fresh /run and a control
# group of its own. It wants to know the machine by an identity, which images of machines leave empty.
#   GROUP COMMAND…
BOOT = """
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd
if [ -e /etc/machine-id ] && [ ! -s /etc/machine-id ]; then
  echo 0123456789abcdef0123456789abcdef >/run/machine-id && mount --bind /run/machine-id /etc/machine-id
fi
umount -R /sys/fs/cgroup 2>/dev/null
mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 9
mkdir -p "/sys/fs/cgroup/$1" && echo $$ >"/sys/fs/cgroup/$1/cgroup.procs" || exit 9
shift
exec "$@"
"""

END = """
umount -R /sys/fs/cgroup 2>/dev/null
mount -t cgroup2 cgroup2 /sys/fs/cgroup && cd "/sys/fs/cgroup/$1" 2>/dev/null || exit 0
for attempt in $(seq 50); do
  echo 1 >cgroup.kill || find . -name cgroup.procs -exec cat {} + | xargs -r kill -9
  grep -q 'populated 1' cgroup.events || break
  sleep 0.1
done
cd / && find "/sys/fs/cgroup/$1" -depth -type d -exec rmdir {} +
"""


def end(group):
    """Ends what lives in the group, and removes it. A group that is not there is none."""
    subprocess.run(
        ["unshare", "-m", "--propagation", "private", "bash", "-c", END, "end", group],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
