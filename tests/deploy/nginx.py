"""The real nginx with deploy/nginx.conf on free ports, with its own certificate: fixture `start_nginx`."""

import http.client
import os
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.services.application import Answer
from tests.services.processes import ROOT, Daemon, clean_environment, free_port, program

CONFIGURATION = ROOT / "deploy" / "nginx.conf"


class Nginx(Daemon):
    """deploy/nginx.conf with other ports, paths and applications, and otherwise as it is."""

    name = "nginx"

    def __init__(self, applications: Sequence[int]) -> None:
        super().__init__()
        self.applications = tuple(applications)
        self.http_port = free_port()
        self.https_port = free_port()
        self.configuration = self.directory / "nginx.conf"

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.https_port}"

    def start(self) -> None:
        self.prepare()
        # nginx would go into the background and out of sight.
        command = [*self._command(), "-g", "daemon off;"]
        self.launch(command, clean_environment())
        self.await_ready(self._listening)

    def prepare(self) -> None:
        self.configuration.write_text(self._adapted())
        self._make_certificate()

    def judge(self) -> str:
        """What `nginx -t` says."""
        checked = subprocess.run(
            [*self._command(), "-t"], env=clean_environment(), capture_output=True, text=True, timeout=30
        )
        return checked.stdout + checked.stderr

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        source: str = "127.0.0.1",
        tls: bool = True,
    ) -> Answer:
        """One request from the address `source`: all of 127.0.0.0/8 is this machine."""
        if tls:
            context = ssl.create_default_context(cafile=str(self.directory / "fullchain.pem"))
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                "127.0.0.1", self.https_port, timeout=10, context=context, source_address=(source, 0)
            )
        else:
            connection = http.client.HTTPConnection(
                "127.0.0.1", self.http_port, timeout=10, source_address=(source, 0)
            )
        with closing(connection):
            connection.request(method, path, body, {"Connection": "close", **(headers or {})})
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())

    def written(self) -> str:
        """All that nginx logged: accesses, errors, and what it said at the start."""
        logs = [self.directory / "access.log", self.directory / "error.log", self.log_file]
        return "".join(log.read_text(errors="replace") for log in logs if log.exists())

    def _command(self) -> list[str]:
        return [program("nginx"), "-p", str(self.directory), "-c", str(self.configuration),
                "-e", str(self.directory / "error.log")]  # fmt: skip

    def _adapted(self) -> str:
        text = CONFIGURATION.read_text()
        servers = "".join(f"server 127.0.0.1:{port};\n" for port in self.applications)
        folder = self.directory
        for shipped, here in {
            "server app-1:3000;": servers,
            "server app-2:3000;": "",
            "listen 80;": f"listen 127.0.0.1:{self.http_port};",
            "listen [::]:80;": "",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.https_port} ssl;",
            "listen [::]:443 ssl;": "",
            "/etc/nginx/tls/": f"{folder}/",
            "/var/log/nginx/": f"{folder}/",
            "pid /run/nginx.pid;": f"pid {folder}/nginx.pid;",
            # As root nginx would give its workers to nobody, who may not enter this directory.
            "worker_processes auto;": "worker_processes 1;" + ("user root;" if os.geteuid() == 0 else ""),
            # What nginx sets aside, which distributions keep in places that only root may use.
            "http {\n": "http {\n" + "".join(
                f"{kind}_temp_path {folder}/{kind};\n"
                for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            ),
        }.items():  # fmt: skip
            if shipped not in text:
                raise AssertionError(f"deploy/nginx.conf no longer says {shipped!r}")
            text = text.replace(shipped, here)
        return text

    def _make_certificate(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "realtime.mechamap.com")])
        alternative = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(alternative, critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        (self.directory / "fullchain.pem").write_bytes(certificate.public_bytes(pem))
        (self.directory / "privkey.pem").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )

    def _listening(self) -> bool:
        try:
            return self.request("GET", "/", tls=False).status == 308
        except OSError:
            return False


@pytest.fixture
def start_nginx() -> Iterator[Callable[..., Nginx]]:
    """`start_nginx(port, …)`: nginx before the applications on these ports."""
    started: list[Nginx] = []

    def start(*applications: int) -> Nginx:
        nginx = Nginx(applications)
        started.append(nginx)
        nginx.start()
        return nginx

    yield start
    for nginx in started:
        if nginx.running:
            nginx.stop()
        nginx.remove()
