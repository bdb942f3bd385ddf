"""A primary with a replica and a Sentinel, and a cluster: real ones, private, on 127.0.0.1."""

import subprocess

import redis

from .processes import Daemon, clean_environment, free_port, program, wait_until
from .redis import RedisServer

SERVICE = "mechamap-primary"


class Sentinel(Daemon):
    """One Sentinel that watches a primary and its replica."""

    name = "sentinel"

    def __init__(self, primary: RedisServer) -> None:
        super().__init__()
        self.port = free_port()
        self.config = self.directory / "sentinel.conf"
        self.config.write_text(
            f"bind 127.0.0.1\nport {self.port}\ndir {self.directory}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} 1000\n"
            f"sentinel failover-timeout {SERVICE} 5000\n"
        )

    def start(self) -> None:
        self.launch([program("redis-server"), self.config, "--sentinel"], clean_environment())
        self.await_ready(self._knows_a_replica)

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, retry=None, socket_timeout=2, decode_responses=True)

    def _knows_a_replica(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.sentinel_slaves(SERVICE))
            except redis.RedisError:
                return False


class Replicated:
    """A primary, its replica and a Sentinel. ``url`` names another Sentinel first, which is away."""

    def __init__(self) -> None:
        self.primary = RedisServer("--repl-diskless-sync-delay", "0")
        self.replica = RedisServer("--replicaof", "127.0.0.1", str(self.primary.port))
        self.sentinel = Sentinel(self.primary)

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.sentinel.port}/{SERVICE}/2"

    def start(self) -> None:
        for server in (self.primary, self.replica):
            server.start()
        client = self.replica.client()
        wait_until(lambda: client.info("replication")["master_link_status"] == "up", "the replica", 10)
        self.sentinel.start()

    def fail_over(self) -> None:
        """Make the replica the primary. The old one stays up, and takes writes for a while."""
        with self.sentinel.client() as client:
            client.execute_command("SENTINEL", "FAILOVER", SERVICE)
        wait_until(self._promoted, "the failover", 15)

    def _promoted(self) -> bool:
        try:
            return self.replica.client().role()[0] == "master"
        except redis.ConnectionError:  # clients of a replica are cut off when it is promoted
            return False

    def remove(self) -> None:
        for each in (self.sentinel, self.replica, self.primary):
            each.remove()


class RedisCluster:
    """Three nodes with a third of the slots each, and a replica of the one that owns ``slot``."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.nodes = [self._node() for _ in range(4)]

    @property
    def url(self) -> str:
        """Names the nodes that do not own the slot."""
        others = [node for node in self.nodes[:3] if node is not self.owner]
        return f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in others)}"

    @property
    def owner(self) -> RedisServer:
        return next(node for node in self.nodes if node.port == self._owner_port())

    @property
    def replica(self) -> RedisServer:
        """Of the slot's owner."""
        port = self._owner_port()
        return next(
            node
            for node in self.nodes
            if node.running and node.client().role()[0] == "slave" and node.client().role()[2] == port
        )

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        *masters, spare = self.nodes
        addresses = [f"127.0.0.1:{node.port}" for node in masters]
        command = [program("redis-cli"), "--cluster", "create", *addresses, "--cluster-yes"]
        subprocess.run(command, check=True, capture_output=True, timeout=30)
        wait_until(lambda: all(self._well(node) for node in masters), "the cluster", 15)
        owner = self.owner
        client, identity = spare.client(), owner.client().execute_command("CLUSTER MYID")
        client.execute_command("CLUSTER", "MEET", "127.0.0.1", owner.port, self._bus(owner))
        wait_until(lambda: self._joins(client, identity), "the replica to know its primary", 15)
        wait_until(lambda: client.info("replication")["master_link_status"] == "up", "the replica", 15)

    def fail_over(self) -> None:
        """Make the replica the slot's owner, everything handed over; returns when all agree."""
        replica = self.replica
        replica.client().execute_command("CLUSTER", "FAILOVER")
        wait_until(lambda: self._owner_port() == replica.port, "the failover", 15)

    def remove(self) -> None:
        for node in self.nodes:
            node.remove()

    def _node(self) -> RedisServer:
        options = (
            "--repl-diskless-sync-delay",
            "0",
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "1500",
        )
        return RedisServer(*options, "--cluster-port", str(free_port()))

    def _bus(self, node: RedisServer) -> str:
        return node.options[node.options.index("--cluster-port") + 1]

    def _well(self, node: RedisServer) -> bool:
        return node.client().execute_command("CLUSTER INFO")["cluster_state"] == "ok"

    def _joins(self, client: redis.Redis, identity: str) -> bool:
        try:
            client.execute_command("CLUSTER", "REPLICATE", identity)
        except redis.ResponseError:  # the nodes have not met yet
            return False
        return True

    def _owner_port(self) -> int:
        for node in self.nodes:
            if not node.running:
                continue
            for first, last, owner, *_ in node.client().execute_command("CLUSTER SLOTS"):
                if int(first) <= self.slot <= int(last):
                    return int(owner[1])
        raise AssertionError("nobody owns the slot")
