"""How `flask db` looks at the database: at our tables only.

Our tables may share a database with Laravel's. Alembic's autogenerate proposes to drop every table that no model describes, so names
that do not begin with `rt_` are neither read from the database nor compared; nor is the outbox, which is Laravel's and made by `flask outbox sql`.
"""

from alembic import context
from flask import current_app

PREFIX = "rt_"
VERSION_TABLE = "rt_alembic_version"
LARAVELS = frozenset({"rt_outbox", "rt_outbox_turn"})

db = current_app.extensions["migrate"].db
arguments = dict(current_app.extensions["migrate"].configure_args)


def ours(table):
    return table is not None and table.startswith(PREFIX) and table not in LARAVELS


def include_name(name, type_, parent_names):
    """Keeps foreign tables from being read at all."""
    return ours(name) if type_ == "table" else True


def include_object(_object, name, type_, _reflected, _compare_to):
    """Keeps foreign tables from being compared, whatever brought them here."""
    return ours(name) if type_ == "table" else True


def skip_empty(_context, _revision, directives):
    """No revision file when nothing changed."""
    if getattr(context.config.cmd_opts, "autogenerate", False) and directives[0].upgrade_ops.is_empty():
        directives[:] = []


arguments.update(
    target_metadata=db.metadatas[None],
    version_table=VERSION_TABLE,
    include_name=include_name,
    include_object=include_object,
)
arguments.setdefault("process_revision_directives", skip_empty)

if context.is_offline_mode():
    url = db.engine.url.render_as_string(hide_password=False)
    context.configure(url=url, literal_binds=True, **arguments)
    with context.begin_transaction():
        context.run_migrations()
else:
    with db.engine.connect() as connection:
        context.configure(connection=connection, **arguments)
        with context.begin_transaction():
            context.run_migrations()
