"""A worker's members as a process of their own, unpatched: python -m tests.contract.member_worker.

Arguments: the URL of Redis, the worker's id, lease and grace in seconds, then ids of users that join
``thread:10``. Prints ``ready`` once they are in, then what it announces, until it is killed.
"""

import sys
import time

from mechamap.domain.members import Member
from mechamap.presence.redis_members import RedisMembers


def say(line: str) -> None:
    """In one piece: two threads write, and ``print`` would write the end of the line apart."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def announce(some) -> int:
    for each in some:
        say(f"{each.change} {each.member.user_id}")
    return len(some)


def main(url: str, worker_id: str, lease: str, grace: str, *users: str) -> None:
    members = RedisMembers(url, worker_id, float(grace), lease=float(lease))
    members.start(announce)
    for user in users:
        members.join("thread:10", Member(int(user), f"User {user}"), f"9.{user}", most=0)
    say("ready")
    time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
