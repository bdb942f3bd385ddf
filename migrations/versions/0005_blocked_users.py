"""Users whom an operator keeps out for a time.

Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MYSQL = {"mysql_charset": "utf8mb4", "mysql_engine": "InnoDB"}
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "rt_blocked_users",
        sa.Column("id", ID, primary_key=True),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.DateTime(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("blocked_at", sa.DateTime(), nullable=False),
        sa.Column("blocked_by", sa.String(191), nullable=False),
        sa.UniqueConstraint("user_id", name="uq_rt_blocked_users_user_id"),
        **MYSQL,
    )
    op.create_index("ix_rt_blocked_users_until", "rt_blocked_users", ["until"])


def downgrade() -> None:
    op.drop_table("rt_blocked_users")
