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
