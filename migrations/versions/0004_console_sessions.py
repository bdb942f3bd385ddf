"""Console sessions: who is signed in.

Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MYSQL = {"mysql_charset": "utf8mb4", "mysql_engine": "InnoDB"}
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "rt_console_sessions",
        sa.Column("id", ID, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(191), nullable=True),
        sa.Column("address", sa.String(45), nullable=True),
        sa.Column("agent", sa.String(255), nullable=True),
        sa.Column("began_at", sa.DateTime(), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.Column("ended_why", sa.String(32), nullable=True),
        sa.UniqueConstraint("digest", name="uq_rt_console_sessions_digest"),
        **MYSQL,
    )
    op.create_index("ix_rt_console_sessions_user_id", "rt_console_sessions", ["user_id"])
    op.create_index("ix_rt_console_sessions_began_at", "rt_console_sessions", ["began_at"])


def downgrade() -> None:
    op.drop_table("rt_console_sessions")
