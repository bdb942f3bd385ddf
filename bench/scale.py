"""Whether a delivery costs the same however many rooms, members and connections there are."""

from functools import partial

from load import Load
from servers import most_connections
from works import ROOM, Run

ROOMS = (10, 1_000, 10_000, 100_000)
MEMBERS = (10, 100, 1_000, 10_000)
CONNECTIONS = (1_000, 5_000, 10_000, 20_000)
DELIVERIES = 10_000  # a second, in every run of a series
PER_PROCESS = 10_000  # clients of one load process; each has a source address of its own


def rooms(run: Run, number: int) -> dict:
    """1,000 browsers in one room, 10 events a second, while the server has {number} other rooms"""
    clients = run.count(ROOM)
    each = max(1, int(number * run.share) // clients)
    channel = '42["subscribe",{"channel":"public.other.@I@-@K@"}]'
    few = number < ROOM  # then a room is shared by many
    if few:
        each, channel = number, '42["subscribe",{"channel":"public.other.@K@"}]'
    many = ["--many", str(each), "--more", channel]
    return _loads(run, clients, many, rate=10)


def members(run: Run, number: int) -> dict:
    """{number} members of one room of a server with 10,000 connections, 10,000 deliveries a second at most"""
    inside = run.count(number) if number >= 100 else number
    outside = run.count(10_000) - inside
    rest = []
    if outside > 0:
        rest = [
            Load(*run.options(outside), "--first", str(inside), "--source", "127.0.0.3", patient=True).ready()
        ]
    try:
        return _loads(run, inside, [], rate=min(200.0, DELIVERIES / number))
    finally:
        for clients in rest:
            clients.kill()


def connections(run: Run, number: int) -> dict:
    """{number} browsers in one room, 10,000 deliveries a second"""
    return _loads(run, run.count(number), [], rate=DELIVERIES / number)


def _loads(run: Run, number: int, more: list[str], rate: float) -> dict:
    """The room over as many load processes as it takes; the first one publishes."""
    sizes = [min(PER_PROCESS, number - done) for done in range(0, number, PER_PROCESS)]
    others = []
    for n, size in enumerate(sizes[1:], 1):
        options = run.room(size, "--first", str(n * PER_PROCESS), "--source", f"127.0.0.{10 + n}", *more)
        body = options.index("--pub-body")
        del options[body : body + 2]
        others.append(Load(*options, patient=True).ready())
    seconds = max(run.seconds, 8 / rate)  # eight events at least
    pace = ["--rate", str(rate), "--pub-conns", "1", "--source", "127.0.0.2", "--fanout", str(sizes[0])]
    found = Load(*run.room(sizes[0], *pace, *more, seconds=seconds)).result()
    for clients in others:
        clients.kill()
    # what the other processes received is not in the first one's count of deliveries
    factor = sizes[0] / number
    return {
        "connections": number,
        "cpu_us_per_deliv": found["cpu_us_per_deliv"] * factor,
        "cpu_us_per_pub": found["cpu_us_per_pub"],
        "lat_p99_ms": found["lat_p99_ms"],
        "lost": found["lost"],
        "limit": most_connections(),
    }


def series() -> dict:
    """Every work of this module by its name."""
    found = {}
    for measure, numbers in ((rooms, ROOMS), (members, MEMBERS), (connections, CONNECTIONS)):
        for number in numbers:
            work = partial(measure, number=number)
            work.__doc__ = measure.__doc__.format(number=f"{number:,}")
            found[f"{measure.__name__}-{number}"] = work
    return found
