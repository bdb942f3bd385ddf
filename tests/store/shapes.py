"""Laravel's tables in every shape the server must read: the application's, the plan's, and two older ones.

Written once, in MariaDB's words, as the application's dump has them (columns that nothing here reads are left
out); `for_sqlite` says the same to SQLite.
"""

import re

USERS = """
CREATE TABLE users (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  name varchar(191) NOT NULL,
  username varchar(191) NOT NULL,
  email varchar(191) NOT NULL,
  password varchar(191) NOT NULL DEFAULT '',
  role varchar(50) DEFAULT 'member',
  role_group enum('system_management','community_management','community_members') DEFAULT NULL,
  status varchar(191) NOT NULL DEFAULT 'Registered',
  is_active tinyint(1) NOT NULL DEFAULT 1,
  banned_at timestamp NULL DEFAULT NULL,
  banned_reason varchar(191) DEFAULT NULL,
  last_seen_at timestamp NULL DEFAULT NULL,
  created_at timestamp NULL DEFAULT NULL,
  updated_at timestamp NULL DEFAULT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY users_username_unique (username),
  UNIQUE KEY users_email_unique (email)
)"""

TOKENS = """
CREATE TABLE personal_access_tokens (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  tokenable_type varchar(191) NOT NULL,
  tokenable_id bigint unsigned NOT NULL,
  name varchar(191) NOT NULL,
  token varchar(64) NOT NULL,
  abilities text DEFAULT NULL,
  last_used_at timestamp NULL DEFAULT NULL,
  expires_at timestamp NULL DEFAULT NULL,
  created_at timestamp NULL DEFAULT NULL,
  updated_at timestamp NULL DEFAULT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY personal_access_tokens_token_unique (token)
)"""

FORUMS = """
CREATE TABLE forums (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  name varchar(191) NOT NULL,
  slug varchar(191) NOT NULL,
  scope enum('global','regional','country','local') NOT NULL DEFAULT 'global',
  is_private tinyint(1) NOT NULL DEFAULT 0,
  requires_approval tinyint(1) NOT NULL DEFAULT 0,
  created_at timestamp NULL DEFAULT NULL,
  updated_at timestamp NULL DEFAULT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY forums_slug_unique (slug)
)"""

THREADS = """
CREATE TABLE threads (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  title varchar(191) NOT NULL,
  slug varchar(191) NOT NULL,
  status varchar(191) DEFAULT NULL,
  user_id bigint unsigned NOT NULL,
  forum_id bigint unsigned NOT NULL,
  moderation_status enum('pending','approved','rejected','flagged') NOT NULL DEFAULT 'approved',
  is_spam tinyint(1) NOT NULL DEFAULT 0,
  hidden_at timestamp NULL DEFAULT NULL,
  archived_at timestamp NULL DEFAULT NULL,
  deleted_at timestamp NULL DEFAULT NULL,
  created_at timestamp NULL DEFAULT NULL,
  updated_at timestamp NULL DEFAULT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY threads_slug_unique (slug)
)"""

# Since 2025-08-22; before that date the same table was called custom_notifications.
NOTIFICATIONS = """
CREATE TABLE notifications (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  user_id bigint unsigned NOT NULL,
  type varchar(50) NOT NULL,
  category enum('system','forum','marketplace','social','security') NOT NULL DEFAULT 'system',
  title varchar(191) NOT NULL,
  message text NOT NULL,
  priority enum('low','normal','high','urgent') NOT NULL DEFAULT 'normal',
  status enum('pending','sent','delivered','read','archived') NOT NULL DEFAULT 'pending',
  is_read tinyint(1) NOT NULL DEFAULT 0,
  read_at timestamp NULL DEFAULT NULL,
  view_count int NOT NULL DEFAULT 0,
  created_at timestamp NULL DEFAULT NULL,
  updated_at timestamp NULL DEFAULT NULL,
  PRIMARY KEY (id),
  KEY idx_user_unread_active (user_id, is_read, status)
)"""

# Laravel's own: `php artisan notifications:table`.
MORPH_NOTIFICATIONS = """
CREATE TABLE notifications (
  id char(36) NOT NULL,
  type varchar(191) NOT NULL,
  notifiable_type varchar(191) NOT NULL,
  notifiable_id bigint unsigned NOT NULL,
  data text NOT NULL,
  read_at timestamp NULL DEFAULT NULL,
  created_at timestamp NULL DEFAULT NULL,
  updated_at timestamp NULL DEFAULT NULL,
  PRIMARY KEY (id),
  KEY notifications_notifiable_index (notifiable_type, notifiable_id)
)"""

CUSTOM_NOTIFICATIONS = NOTIFICATIONS.replace(
    "CREATE TABLE notifications", "CREATE TABLE custom_notifications"
)

APPLICATION = (USERS, TOKENS, FORUMS, THREADS, NOTIFICATIONS)
"""The real application's tables as they are today."""

PLACES = (
    """
CREATE TABLE conversations (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  title varchar(191) DEFAULT NULL,
  conversation_type_id bigint unsigned DEFAULT NULL,
  is_group tinyint(1) NOT NULL DEFAULT 0,
  max_members int NOT NULL DEFAULT 2,
  is_public tinyint(1) NOT NULL DEFAULT 0,
  created_at timestamp NULL DEFAULT NULL,
  updated_at timestamp NULL DEFAULT NULL,
  PRIMARY KEY (id)
)""",
    """
CREATE TABLE conversation_participants (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  conversation_id bigint unsigned NOT NULL,
  user_id bigint unsigned NOT NULL,
  last_read_at timestamp NULL DEFAULT NULL,
  created_at timestamp NULL DEFAULT NULL,
  updated_at timestamp NULL DEFAULT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY conversation_participants_unique (conversation_id, user_id)
)""",
    """
CREATE TABLE group_members (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  conversation_id bigint unsigned NOT NULL,
  user_id bigint unsigned NOT NULL,
  role enum('creator','admin','moderator','member') NOT NULL DEFAULT 'member',
  joined_at timestamp NULL DEFAULT NULL,
  is_active tinyint(1) NOT NULL DEFAULT 1,
  left_at timestamp NULL DEFAULT NULL,
  created_at timestamp NULL DEFAULT NULL,
  updated_at timestamp NULL DEFAULT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY group_members_unique (conversation_id, user_id)
)""",
    """
CREATE TABLE showcases (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  user_id bigint unsigned NOT NULL,
  title varchar(191) NOT NULL DEFAULT '',
  status enum('draft','pending','approved','rejected','featured','archived') NOT NULL DEFAULT 'pending',
  is_public tinyint(1) NOT NULL DEFAULT 1,
  allow_comments tinyint(1) NOT NULL DEFAULT 1,
  created_at timestamp NULL DEFAULT NULL,
  updated_at timestamp NULL DEFAULT NULL,
  PRIMARY KEY (id)
)""",
    """
CREATE TABLE marketplace_sellers (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  user_id bigint unsigned NOT NULL,
  seller_type enum('supplier','manufacturer','brand') NOT NULL DEFAULT 'supplier',
  status enum('active','inactive','suspended','banned') NOT NULL DEFAULT 'active',
  created_at timestamp NULL DEFAULT NULL,
  updated_at timestamp NULL DEFAULT NULL,
  PRIMARY KEY (id)
)""",
)
"""The application's other places that have channels; apart, because making tables takes tests time."""

BEFORE_THE_RENAME = (USERS, TOKENS, FORUMS, THREADS, CUSTOM_NOTIFICATIONS, MORPH_NOTIFICATIONS)
"""Between July and August 2025: Laravel's table and the application's side by side."""

STOCK_LARAVEL = (USERS, TOKENS, FORUMS, THREADS, MORPH_NOTIFICATIONS)
"""Any Laravel site that keeps its notifications the framework's way."""

PLAN = (
    "CREATE TABLE users"
    " (id bigint NOT NULL PRIMARY KEY, name varchar(191), email varchar(191), role varchar(50))",
    "CREATE TABLE forums (id bigint NOT NULL PRIMARY KEY, required_role varchar(50))",
    "CREATE TABLE threads (id bigint NOT NULL PRIMARY KEY, forum_id bigint)",
    "CREATE TABLE notifications"
    " (id bigint NOT NULL PRIMARY KEY, user_id bigint, is_read tinyint(1), read_at timestamp NULL)",
)
"""The least that the plan asks for."""


def for_sqlite(ddl: str) -> str:
    """The same for SQLite, which has no enumerations, no unsigned numbers, and another AUTO_INCREMENT."""
    ddl = re.sub(r"enum\([^)]*\)", "varchar(50)", ddl)
    if "AUTO_INCREMENT" in ddl:
        ddl = ddl.replace("bigint unsigned NOT NULL AUTO_INCREMENT", "integer PRIMARY KEY AUTOINCREMENT")
        ddl = ddl.replace("  PRIMARY KEY (id),\n", "").replace("  PRIMARY KEY (id)\n", "")
    ddl = re.sub(
        r",?\n  (UNIQUE )?KEY [^(]*(\([^)]*\))", lambda key: f",\n  UNIQUE {key[2]}" if key[1] else "", ddl
    )
    return re.sub(r",\s*\n\)", "\n)", ddl.replace(" unsigned", "").replace("tinyint(1)", "tinyint"))
