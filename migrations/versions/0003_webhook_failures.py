"""Webhooks that were given up.

Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMTEXT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MYSQL = {"mysql_charset": "utf8mb4", "mysql_engine": "InnoDB"}
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "rt_webhook_failures",
        sa.Column("id", ID, primary_key=True),
        sa.Column("batch_id", sa.String(32), nullable=False),
        sa.Column("receiver", sa.String(255), nullable=False),
        sa.Column("events", sa.Text().with_variant(MEDIUMTEXT(), "mysql"), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.DateTime(), nullable=False),
        sa.UniqueConstraint("batch_id", name="uq_rt_webhook_failures_batch_id"),
        **MYSQL,
    )


def downgrade() -> None:
    op.drop_table("rt_webhook_failures")
