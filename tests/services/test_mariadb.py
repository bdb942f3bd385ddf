"""The private MariaDB does what the tests rely on."""

import pymysql
import pytest
from sqlalchemy import create_engine, text

from .mariadb import MariaDBServer


@pytest.mark.parametrize("address", ["url", "socket_url"])
def test_sqlalchemy_reads_a_created_database(mariadb_server: MariaDBServer, address: str) -> None:
    mariadb_server.create_database("shop")
    mariadb_server.execute(
        "CREATE TABLE parts (name TEXT); INSERT INTO parts VALUES ('đai ốc 🔩')", database="shop"
    )
    engine = create_engine(getattr(mariadb_server, address)("shop"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM parts")).scalar_one() == "đai ốc 🔩"
    engine.dispose()


def test_creating_a_database_again_empties_it(mariadb_server: MariaDBServer) -> None:
    mariadb_server.create_database("shop")
    mariadb_server.execute("CREATE TABLE parts (id INT)", database="shop")
    mariadb_server.create_database("shop")
    assert mariadb_server.execute("SHOW TABLES", database="shop") == []


def test_parameters_are_quoted_and_rows_come_back(mariadb_server: MariaDBServer) -> None:
    assert mariadb_server.execute("SELECT %s, 7", ("it's",)) == [("it's", 7)]


def test_data_survives_a_stop_and_a_start(mariadb_server: MariaDBServer) -> None:
    mariadb_server.create_database("shop")
    mariadb_server.execute("CREATE TABLE parts (id INT); INSERT INTO parts VALUES (7)", database="shop")
    assert mariadb_server.stop() == 0
    with pytest.raises(pymysql.err.OperationalError):
        mariadb_server.execute("SELECT 1")
    mariadb_server.start()
    assert mariadb_server.execute("SELECT id FROM parts", database="shop") == [(7,)]
