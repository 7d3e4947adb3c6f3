"""A real ACME server (pebble), and a client (lego) that gets nginx its certificate by HTTP-01."""

import json
import subprocess

CLIENT_UNIT = "acme-certificate.service"


def set_up_client(machine, host):
    machine.write(
        f"/etc/systemd/system/{CLIENT_UNIT}",
        f"""[Unit]
Description=Certificate of {host}
After=nginx.service
[Service]
Type=oneshot
RemainAfterExit=true
Restart=on-failure
RestartSec=1s
Environment=LEGO_CA_CERTIFICATES=/etc/acme-server.pem
ExecStartPre=/bin/mkdir -p /var/lib/acme/webroot
ExecStart=/usr/bin/lego --accept-tos --path /var/lib/acme --server https://acme.test:14000/dir \
 --email admin@example.org -d {host} --http --http.webroot /var/lib/acme/webroot run
ExecStartPost=/bin/ln -sf /etc/nginx/cache-encrypted.conf /etc/nginx/conf.d/cache-encrypted.conf
ExecStartPost=/bin/systemctl reload nginx.service
[Install]
WantedBy=multi-user.target
""",
    )


def set_up_server(machine, client, addresses):
    """The server, its name server that knows one machine, and its certificate, which the client is given."""
    ipv4, ipv6 = [address.split("/")[0] for address in addresses]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=acme.test"]
        + ["-addext", "subjectAltName=DNS:acme.test"]
        + ["-keyout", machine.root / "etc/acme-server.key", "-out", machine.root / "etc/acme-server.pem"],
        check=True,
        capture_output=True,
    )
    client.write("/etc/acme-server.pem", (machine.root / "etc/acme-server.pem").read_text())
    settings = {
        "listenAddress": "0.0.0.0:14000",
        "managementListenAddress": "0.0.0.0:15000",
        "certificate": "/etc/acme-server.pem",
        "privateKey": "/etc/acme-server.key",
        "httpPort": 80,
        "tlsPort": 443,
    }
    machine.write("/etc/pebble.json", json.dumps({"pebble": settings}))
    names = (
        "/usr/bin/pebble-challtestsrv -dns01 127.0.0.1:8053 -http01 '' -https01 '' -tlsalpn01 '' -doh ''"
        f" -defaultIPv4 {ipv4} -defaultIPv6 {ipv6}"
    )
    environment = "Environment=PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0\n"
    for unit, command in {
        "pebble-challtestsrv": names,
        "pebble": "/usr/bin/pebble -config /etc/pebble.json -dnsserver 127.0.0.1:8053",
    }.items():
        machine.write(
            f"/etc/systemd/system/{unit}.service",
            f"[Service]\n{environment}ExecStart={command}\n[Install]\nWantedBy=multi-user.target\n",
        )
        subprocess.run(["chroot", machine.root, "systemctl", "--quiet", "enable", unit], check=True)
    subprocess.run(["chroot", machine.root, "systemctl", "--quiet", "disable", "nginx.service"], check=True)
