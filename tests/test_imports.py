"""The direction of imports: the map of docs/ARCHITECTURE.md, kept."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mechamap"

MAY_IMPORT = {
    "domain": set(),
    "engine": set(),
    "broker": {"domain"},
    "presence": {"domain", "broker"},
    "statistics": {"domain", "broker"},
    "recovery": {"domain", "broker"},
    "store": {"domain", "settings"},
    "laravel": {"domain", "store"},
    "auth": {"domain", "laravel", "store", "settings"},
    "hub": {"domain"},
    "ingest": {"domain", "broker"},
    "outbox": {"domain", "broker"},
    "webhooks": {"domain", "broker", "laravel"},
    "edge": {"domain", "logs"},
    "sockets": {"domain", "hub", "edge", "engine"},
    "api": {"domain", "hub", "ingest", "edge", "logs"},
    "environment": {"domain"},
    "settings": {"domain", "environment"},
    "logs": set(),
    "metrics": {"domain"},
    "health": set(),
}
"""Place → places it may import besides itself and any ``protocol`` module."""

BUILDERS = {"composition", "parts"}
PURE = {"domain"}
NO_FRAMEWORK = {
    "domain", "hub", "broker", "ingest", "outbox", "presence", "recovery", "statistics", "webhooks",
}  # fmt: skip
FRAMEWORKS = {"flask", "flask_socketio", "socketio", "engineio", "sqlalchemy", "flask_sqlalchemy"}


def place_of(module: str) -> str:
    """``mechamap.hub.access`` → ``hub``; ``mechamap`` itself → ``""``."""
    return module.split(".")[1] if "." in module else ""


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    checking = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    found = set()
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(tree):
        if id(node) in checking:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(module.split(".")[: -node.level]) + "." if node.level else ""
            source = (base + (node.module or "")).rstrip(".")
            found.update(
                {f"{source}.{alias.name}" for alias in node.names} if source == "mechamap" else {source}
            )
    return found


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_every_place_is_on_the_map_or_an_edge():
    edges = {"admin", "cli", "composition", "parts", "runtime", "services", "demo", ""}
    places = {place_of(".".join(path.relative_to(ROOT).with_suffix("").parts)) for path in modules()} - {
        "__init__"
    }
    assert places - edges == set(MAY_IMPORT)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_in_the_direction_of_the_map(path):
    place = place_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    if place not in MAY_IMPORT:
        return
    for module in imports_of(path):
        if (
            not module.startswith("mechamap.")
            or module.endswith(".protocol")
            or module == "mechamap.__version__"
        ):
            continue
        other = place_of(module)
        assert other == place or other in MAY_IMPORT[place], f"{place} may not import {module}"


def test_parts_are_built_by_the_composition_root_only():
    importers = {
        place_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for path in modules()
        if any(place_of(module) == "parts" for module in imports_of(path))
    }
    assert importers == BUILDERS


@pytest.mark.parametrize(
    "path", [p for p in modules() if p.parent.name in NO_FRAMEWORK], ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_the_core_knows_no_framework(path):
    roots = {module.split(".")[0] for module in imports_of(path)}
    assert not roots & FRAMEWORKS
    if path.parent.name in PURE:
        assert roots <= {"mechamap", *sys.stdlib_module_names}


def reads_environment(path: Path) -> bool:
    return any(
        isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv")
        for node in ast.walk(ast.parse(path.read_text()))
    )


def test_only_settings_read_the_environment():
    readers = {str(path.relative_to(PACKAGE)) for path in modules() if reads_environment(path)}
    # metrics: prometheus_client's own switch, set by gunicorn.conf.py for its workers
    assert readers == {"settings/loading.py", "metrics/metrics.py"}
