"""A private MariaDB: fixture `mariadb_server`, root without a password, databases made per test by name."""

import getpass
import subprocess
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from pymysql.constants import CLIENT

from .processes import Daemon, clean_environment, free_port, program


class MariaDBServer(Daemon):
    """Made to start in half a second, not to survive a power cut; `stop()` and `start()` keep the data."""

    name = "mariadb"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.socket = self.directory / "mariadb.sock"
        self.data = self.directory / "data"

    def url(self, database: str = "") -> str:
        """SQLAlchemy's address of a database.

        Over TCP: PyMySQL 1.2.4 leaves the descriptor of a failed unix-socket connection to the garbage
        collector, and the warning about it fails the test that stopped the database on purpose.
        """
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/{database}?charset=utf8mb4"

    def socket_url(self, database: str = "") -> str:
        """The same over the unix socket."""
        return f"mysql+pymysql://root@localhost/{database}?unix_socket={self.socket}&charset=utf8mb4"

    def start(self) -> None:
        if not self.data.exists():
            self._install()
        command = [
            # --no-defaults must be the first option: the machine's own configuration is not ours to read.
            *(program("mariadbd", "mysqld"), "--no-defaults", f"--user={getpass.getuser()}"),
            *(f"--datadir={self.data}", f"--pid-file={self.directory / 'mariadb.pid'}"),
            *(f"--socket={self.socket}", "--bind-address=127.0.0.1", f"--port={self.port}"),
            *("--skip-name-resolve", "--skip-log-bin", "--performance-schema=OFF"),
            *("--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci"),
            *("--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M"),
            "--innodb-flush-log-at-trx-commit=0",
        ]
        self.launch(command, clean_environment())
        self.await_ready(self._answers, timeout=30)

    def create_database(self, name: str) -> str:
        """An empty database of that name (one that was there is dropped first); its SQLAlchemy URL."""
        self.execute(f"DROP DATABASE IF EXISTS `{name}`")
        self.execute(f"CREATE DATABASE `{name}`")
        return self.url(name)

    def execute(self, sql: str, parameters: Any = None, *, database: str | None = None) -> list[Any]:
        """Run one statement, or several with `;` between, each committed; the rows of the last with any."""
        with self._connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            rows = list(cursor.fetchall()) if cursor.description else []
            while cursor.nextset():
                if cursor.description:
                    rows = list(cursor.fetchall())
            return rows

    def make_fresh(self) -> None:
        """Running and not paused; databases stay, since `create_database` empties the one it is asked for."""
        if self.running:
            self.resume()
        else:
            self.start()

    def _connect(self, database: str | None) -> "pymysql.Connection[Any]":
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            database=database,
            autocommit=True,
            charset="utf8mb4",
            connect_timeout=2,
            client_flag=CLIENT.MULTI_STATEMENTS,
        )

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except pymysql.err.OperationalError:
            return False
        return True

    def _install(self) -> None:
        command = [
            *(program("mariadb-install-db", "mysql_install_db"), "--no-defaults", f"--datadir={self.data}"),
            *("--auth-root-authentication-method=normal", "--skip-test-db", f"--user={getpass.getuser()}"),
        ]
        installed = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
        if installed.returncode:
            raise RuntimeError(f"mariadb-install-db failed:\n{installed.stdout}{installed.stderr}")


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDBServer]:
    """One MariaDB for the run; a test that uses it finds it running (see `_fresh_mariadb`)."""
    server = MariaDBServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(autouse=True)
def _fresh_mariadb(request: pytest.FixtureRequest) -> None:
    if "mariadb_server" in request.fixturenames:
        request.getfixturevalue("mariadb_server").make_fresh()
