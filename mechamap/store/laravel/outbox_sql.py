"""The table ``rt_outbox`` as SQL, for whoever looks after Laravel's database: it is theirs, not our
migrations'.

Ids and times come from the database and not from PHP, whose clock and time zone are its own.
"""

MYSQL = """\
-- Events that Laravel writes in its own transactions, for the real-time server to publish (OUTBOX=on).
-- MySQL 8.0.13 or MariaDB 10.2.1 and newer. The server needs SELECT, UPDATE and DELETE on it.
CREATE TABLE rt_outbox (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  uuid CHAR(36) CHARACTER SET ascii NOT NULL DEFAULT (UUID()),
  channels TEXT NOT NULL,
  event VARCHAR(255) NOT NULL,
  data MEDIUMTEXT NOT NULL,
  except_socket VARCHAR(100) NULL,
  state VARCHAR(10) CHARACTER SET ascii NOT NULL DEFAULT 'pending',
  code VARCHAR(64) NULL,
  reason VARCHAR(255) NULL,
  created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (id),
  KEY rt_outbox_state (state, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
"""

MYSQL_IN_TURN = """\
-- Optional: ids in exactly the order of commits. A transaction that writes an event waits here until every
-- other one that did has ended; write events last, and let DB::transaction() retry deadlocks.
CREATE TABLE rt_outbox_turn (
  id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
  taken BIGINT UNSIGNED NOT NULL
) ENGINE=InnoDB;
INSERT INTO rt_outbox_turn VALUES (1, 0);
CREATE TRIGGER rt_outbox_in_turn BEFORE INSERT ON rt_outbox FOR EACH ROW
  UPDATE rt_outbox_turn SET taken = taken + 1 WHERE id = 1;
"""

SQLITE = """\
-- Events that Laravel writes in its own transactions, for the real-time server to publish (OUTBOX=on).
CREATE TABLE rt_outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uuid TEXT NOT NULL DEFAULT (lower(hex(randomblob(16)))),
  channels TEXT NOT NULL,
  event TEXT NOT NULL,
  data TEXT NOT NULL,
  except_socket TEXT NULL,
  state TEXT NOT NULL DEFAULT 'pending',
  code TEXT NULL,
  reason TEXT NULL,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);
CREATE INDEX rt_outbox_state ON rt_outbox (state, id);
"""


def outbox_sql(dialect: str, *, in_turn: bool = False) -> str:
    """What makes the table in a database of that dialect, ``mysql`` or ``sqlite``.

    ``in_turn`` adds what makes writers wait for each other; SQLite has one writer at a time anyway.
    """
    if dialect == "sqlite":
        return SQLITE
    return f"{MYSQL}\n{MYSQL_IN_TURN}" if in_turn else MYSQL
