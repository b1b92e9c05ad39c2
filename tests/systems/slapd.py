"""This is where a real OpenLDAP server is started for a test, in a temporary folder, and stopped again."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

import pytest
import trustme

BINARY = shutil.which("slapd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec:/usr/lib/openldap")
SCHEMAS = Path("/etc/ldap/schema")
MODULES = Path("/usr/lib/ldap")

CONFIG = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
include {schemas}/nis.schema
modulepath {modules}
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
database mdb
directory {folder}/data
suffix "{base}"
rootdn "{admin}"
rootpw "{password}"
maxsize 134217728
dbnosync
index objectClass,entryUUID,entryCSN,uid,mail,employeeNumber,modifyTimestamp eq
limits dn.exact="{sync}" size=unlimited
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=people,{base}" by dn.exact="{clerk}" write by * break
access to * by dn.exact="{sync}" write by users read by anonymous auth
"""

SEED = """dn: {base}
objectClass: dcObject
objectClass: organization
dc: corp
o: Corp

dn: ou=people,{base}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{base}
objectClass: organizationalUnit
ou: groups

dn: cn=reader,{base}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reader-password

dn: cn=clerk,{base}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: clerk
userPassword: clerk-password

dn: cn=sync,{base}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: sync
userPassword: {password}
"""


def need_slapd() -> None:
    """Skips the test loudly where slapd is not installed; with CI=true that is a failure."""
    if BINARY is None:
        message = "slapd is missing: apt-get install slapd"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)


class Slapd:
    """A server with dc=corp,dc=example, ou=people and ou=groups in it; StartTLS on `url`, LDAPS on `ldaps_url`.

    The admin may do everything, cn=sync may write, cn=clerk may write people and nothing else, cn=reader may only read
    (and is held to the server's size limit of 500). `log` takes what slapd says at *loglevel*.
    """

    base = "dc=corp,dc=example"
    people = f"ou=people,{base}"
    groups = f"ou=groups,{base}"
    admin = f"cn=admin,{base}"
    password = "directory-password"
    sync = f"cn=sync,{base}"
    reader = f"cn=reader,{base}"
    reader_password = "reader-password"
    clerk = f"cn=clerk,{base}"
    clerk_password = "clerk-password"

    def __init__(self, folder: Path, *, loglevel: str = "0") -> None:
        need_slapd()
        self.folder = folder
        self.log = folder / "slapd.log"
        self._loglevel = loglevel
        self.port, self.ldaps_port = free_port(), free_port()
        self.ca = folder / "ca.pem"
        self._process: subprocess.Popen[bytes] | None = None
        self._prepare()
        self.start()

    @property
    def url(self) -> str:
        return f"ldap://localhost:{self.port}"

    @property
    def ldaps_url(self) -> str:
        return f"ldaps://localhost:{self.ldaps_port}"

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        listen = f"ldap://127.0.0.1:{self.port}/ ldaps://127.0.0.1:{self.ldaps_port}/"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(BINARY), "-d", self._loglevel, "-h", listen, "-f", str(self.folder / "slapd.conf")],
                stdout=log,
                stderr=log,
            )
        wait_for_port(self.port, self._process, self.log)

    def stop(self) -> None:
        """Stops the server; its data stays for the next start."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def __enter__(self) -> "Slapd":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "data").mkdir()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca))
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        certificate.private_key_pem.write_to_path(str(self.folder / "server.key"))
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(str(self.folder / "server.pem"), append=True)
        words = {"folder": self.folder, "schemas": SCHEMAS, "modules": MODULES, "base": self.base}
        (self.folder / "slapd.conf").write_text(
            CONFIG.format(**words, admin=self.admin, sync=self.sync, clerk=self.clerk, password=self.password)
        )
        (self.folder / "seed.ldif").write_text(SEED.format(base=self.base, password=self.password))
        subprocess.run(
            [str(BINARY), "-T", "add", "-f", str(self.folder / "slapd.conf"), "-l", str(self.folder / "seed.ldif")],
            check=True,
            capture_output=True,
        )


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: "subprocess.Popen[bytes]", log: Path, seconds: float = 15.0) -> None:
    """Returns as soon as the port answers; raises with the server's log if it ends or stays silent."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")
