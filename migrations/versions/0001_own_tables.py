"""Own tables: API keys, audit log, revoked tokens.

Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# utf8mb4 whatever the server's default is; MySQL ignores these words' absence and SQLite these words.
MYSQL = {"mysql_charset": "utf8mb4", "mysql_engine": "InnoDB"}
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "rt_api_keys",
        sa.Column("id", ID, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("live_name", sa.String(64), nullable=True),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("created_by", sa.String(191), nullable=False),
        sa.Column("last_used_at", sa.DateTime(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(), nullable=True),
        sa.UniqueConstraint("live_name", name="uq_rt_api_keys_live_name"),
        sa.UniqueConstraint("digest", name="uq_rt_api_keys_digest"),
        **MYSQL,
    )
    op.create_table(
        "rt_audit_log",
        sa.Column("id", ID, primary_key=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.String(191), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.String(255), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("detail", sa.String(1000), nullable=False),
        sa.Column("address", sa.String(45), nullable=True),
        sa.Column("request_id", sa.String(64), nullable=True),
        **MYSQL,
    )
    op.create_index("ix_rt_audit_log_at", "rt_audit_log", ["at"])
    op.create_index("ix_rt_audit_log_actor_at", "rt_audit_log", ["actor", "at"])
    op.create_table(
        "rt_revoked_tokens",
        sa.Column("id", ID, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.UniqueConstraint("digest", name="uq_rt_revoked_tokens_digest"),
        **MYSQL,
    )
    op.create_index("ix_rt_revoked_tokens_expires_at", "rt_revoked_tokens", ["expires_at"])


def downgrade() -> None:
    op.drop_table("rt_revoked_tokens")
    op.drop_table("rt_audit_log")
    op.drop_table("rt_api_keys")
