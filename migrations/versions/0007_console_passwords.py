"""Console sessions end when the password is changed.

Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # NULL in what is there, and in what servers before this one write while they are replaced: such a session
    # ends with its next request, and its person signs in again
    op.add_column("rt_console_sessions", sa.Column("password_digest", sa.String(64), nullable=True))


def downgrade() -> None:
    op.drop_column("rt_console_sessions", "password_digest")
