"""Two workers joined by Redis: what an app does reaches, and counts, the browsers of both."""

from tests.integration.conftest import Site, plan_database, settings
from tests.integration.test_cluster import on_both_workers
from tests.services.processes import wait_until

from .conftest import APP, Caller

THREAD = "presence-thread.10"


def test_everything_is_of_all_workers(serve, node_client, redis_server, tmp_path):
    url = plan_database(tmp_path / "laravel.sqlite")
    server = serve(settings(REDIS_URL=redis_server.url, WEB_CONCURRENCY="2", LARAVEL_DATABASE_URL=url, **APP))
    site, call = Site(server, node_client), Caller(server.request)
    pages = on_both_workers(site)
    for page in pages:
        assert page.emit_ack("subscribe", {"channel": THREAD})["status"] == "success"

    info = {"info": "subscription_count,user_count"}
    counts = {"subscription_count": len(pages), "user_count": 1}
    wait_until(
        lambda: call("GET", f"{{app}}/channels/{THREAD}", query=info).json()["user_count"] == 1, "users"
    )
    assert call("GET", f"{{app}}/channels/{THREAD}", query=info).json() == {"occupied": True, **counts}
    assert call("GET", f"{{app}}/channels/{THREAD}/users").json() == {"users": [{"id": "2"}]}

    batch = [{"name": "n", "channel": THREAD, "data": str(n), "socket_id": pages[0].id} for n in range(10)]
    batch[9] |= info
    answer = call("POST", "{app}/batch_events", {"batch": batch}).json()
    assert answer == {"batch": [*[{}] * 9, counts]}
    for page in pages[1:]:
        assert [arguments[0] for arguments in page.wait_for_many("n", 10)] == list(range(10))
    assert pages[0].events("n") == []

    assert call("POST", "{app}/users/2/terminate_connections", {}).status == 200
    for page in pages:
        assert page.wait_for("force_disconnect")[0]["code"] == "terminated"
