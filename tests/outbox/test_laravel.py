"""The shipped PHP and SQL: Laravel's own transactions decide what is published."""

import subprocess
from pathlib import Path

import pytest

from mechamap.store.laravel.outbox_sql import outbox_sql
from tests.laravel.site import PACKAGES, SHIPPED
from tests.services.processes import clean_environment, program

SITE = Path(__file__).with_name("site.php")


@pytest.fixture
def php(laravel):
    def run(line: str) -> str:
        path = laravel.site.url.removeprefix("sqlite:///")
        command = [program("php"), "-d", "display_errors=stderr", SITE, path, line]
        ran = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, (
            f"PHP failed (it needs the packages {PACKAGES}):\n{ran.stderr}{ran.stdout}"
        )
        return ran.stdout

    return run


def test_the_shipped_sql_is_what_the_command_prints():
    assert (SHIPPED / "outbox.sql").read_text() == outbox_sql("mysql")


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_what_is_committed_is_published_and_what_is_rolled_back_is_not(laravel, hire, php):
    worker = hire()
    line = (
        "DB::transaction(fn () => ["
        "  $sent('a', ['title' => 'đai ốc', 'price' => 1.0, 'url' => '/x']), $sent('b'),"
        "]);"
        "try { DB::transaction(function () use ($sent) { $sent('never'); throw new Exception; }); }"
        " catch (Exception $e) {}"
        "$sent('c', ['n' => 1], ['public.a', 'forum.7']);"
        "$outbox->publish('public.a', 'd', [], 'abc');"
    )
    assert php(line) == "done"
    worker.sent("a", "b", "c", "d")
    a, b, c, d = worker.published
    assert a.payload == '{"title":"đai ốc","price":1.0,"url":"/x"}'.encode()
    assert a.rooms == ("user:2",) and b.payload == b"[]"
    assert c.rooms == ("public:a", "forum:7") and c.except_id is None
    assert d.except_id == "abc"
    assert len({each.id for each in worker.published}) == 4
    laravel.emptied()


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_what_cannot_be_written_undoes_the_transaction(laravel, php):
    line = r"""DB::transaction(fn () => [$sent('first'), $sent('latin1', ['title' => "caf\xE9"])]);"""
    assert php(line) == "JsonException"
    assert laravel.left() == []
