"""What is done to a cluster while publishers and clients are at work."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import gevent
import redis

from .trial import CHANNELS, Trial, hang_up


@dataclass(frozen=True, slots=True)
class Scenario:
    """``lossless``: no client may be told that something is missing, because nothing is: the logs have it."""

    act: Callable[[Trial], None]
    lossless: bool = True

    @property
    def name(self) -> str:
        return self.act.__name__

    @property
    def title(self) -> str:
        return (self.act.__doc__ or "").strip().rstrip(".")


def killed_worker(trial: Trial) -> None:
    """A worker is killed with -9."""
    trial.go_on(0.5)
    os.kill(trial.cluster.busiest(), signal.SIGKILL)
    trial.go_on(2.5)


def stalled_worker(trial: Trial) -> None:
    """A worker is stopped for longer than the ping timeout, and goes on."""
    trial.go_on(0.3)
    worker = trial.cluster.busiest()
    os.kill(worker, signal.SIGSTOP)
    try:
        gevent.sleep(3)
    finally:
        with suppress(ProcessLookupError):  # in chaos another fault may have killed it
            os.kill(worker, signal.SIGCONT)
    trial.go_on(1)


def rolling_restart(trial: Trial) -> None:
    """All workers are replaced, as on a release."""
    trial.go_on(0.3)
    before = set(trial.cluster.server.workers())
    hang_up(trial.cluster.server.pid)
    with gevent.Timeout(40):
        while before & set(trial.cluster.server.workers()):
            gevent.sleep(0.1)
    trial.go_on(0.5)


def restarted_redis(trial: Trial) -> None:
    """Redis is restarted and has its data again."""
    trial.go_on(0.3)
    trial.cluster.redis.stop()
    trial.go_on(0.5)
    _drop_some(trial)
    trial.cluster.redis.start()
    trial.go_on(2)


def flushed_redis(trial: Trial) -> None:
    """Redis loses all its data; some clients are away at that moment."""
    trial.go_on(0.5)
    _drop_some(trial)
    _flush(trial)
    trial.go_on(0.5)
    _drop_some(trial)
    trial.go_on(1.5)


def stalled_redis(trial: Trial) -> None:
    """Redis is stopped for some seconds, and goes on."""
    trial.go_on(0.3)
    trial.cluster.redis.pause()
    try:
        gevent.sleep(1)
        _drop_some(trial)
        gevent.sleep(1.5)
    finally:
        trial.cluster.redis.resume()
    trial.go_on(1.5)


def cut_network(trial: Trial) -> None:
    """The network between workers and Redis is cut, mended, cut for some connections, and stalls."""
    proxy = trial.cluster.proxy
    trial.go_on(0.3)
    proxy.cut()
    trial.go_on(0.5)
    _drop_some(trial)
    proxy.heal()
    trial.go_on(1)
    proxy.cut_some(trial.dice)
    trial.go_on(0.7)
    proxy.stall()
    trial.go_on(0.4)
    proxy.heal()
    trial.go_on(0.7)


def slow_readers(trial: Trial) -> None:
    """Some clients read nothing for longer than the ping timeout, others for less."""
    trial.go_on(0.3)
    for number, client in enumerate(trial.cheap):
        if number % 3 != 2:
            client.pause((0.8, 3.5)[number % 3])
    gevent.sleep(4)
    trial.go_on(0.5)


def flooded_readers(trial: Trial) -> None:
    """Events are large and some clients read nothing for a moment: what waits for them becomes too much."""
    trial.pad(40_000)
    trial.go_on(0.3)
    for _ in range(2):
        for client in trial.cheap:
            if trial.dice.random() < 0.4:
                client.pause(1.7)
        trial.go_on(2.5)
    trial.pad(0)


def reconnect_storm(trial: Trial) -> None:
    """All clients lose their connection at once, again and again, also while they are coming back."""
    trial.go_on(0.3)
    for pause in (1.0, 0.15, 0.1, 0.4, 1.0):
        for client in (*trial.cheap, *trial.stock):
            client.drop()
        trial.go_on(pause)


def coming_and_going(trial: Trial) -> None:
    """Clients leave channels and come back to them, and lose their connection in the midst of it."""
    for _ in range(round(trial.for_a_while(20))):
        for client in trial.cheap:
            if trial.dice.random() < 0.3:
                client.leave(trial.dice.choice(CHANNELS), trial.dice.uniform(0.02, 0.5))
        if trial.dice.random() < 0.3:
            _drop_some(trial)
        gevent.sleep(0.15)
    gevent.sleep(0.7)


def chaos(trial: Trial) -> None:
    """Several faults after and upon each other, by chance."""
    faults = [killed_worker, stalled_worker, restarted_redis, stalled_redis, cut_network, slow_readers]
    faults += [flushed_redis, coming_and_going]
    for _ in range(4):
        running = [gevent.spawn(fault, trial) for fault in trial.dice.sample(faults, 2)]
        gevent.joinall(running, raise_error=True)


def device_sync(trial: Trial) -> None:
    """Devices of a few users mark notifications, a worker is killed, connections break."""
    trial.go_on(0.5)
    _drop_some(trial)
    trial.go_on(0.5)
    os.kill(trial.cluster.busiest(), signal.SIGKILL)
    trial.go_on(1.2)
    _drop_some(trial)
    trial.go_on(0.5)


def device_sync_cut_off(trial: Trial) -> None:
    """The same while workers are stopped, and Redis too, and the network between them is cut."""
    for fault in (stalled_worker, cut_network, killed_worker, stalled_redis):
        fault(trial)
        _drop_some(trial)
    trial.go_on(0.5)


def _flush(trial: Trial) -> None:
    """As soon as Redis can be told: in chaos another fault may have stopped it."""
    with gevent.Timeout(30):
        while True:
            with suppress(redis.RedisError):
                trial.cluster.redis.client().flushall()
                return
            gevent.sleep(0.05)


def _drop_some(trial: Trial) -> None:
    for client in (*trial.cheap, *trial.stock):
        if trial.dice.random() < 0.5:
            client.drop()


SCENARIOS = [
    Scenario(killed_worker),
    Scenario(stalled_worker),
    Scenario(rolling_restart),
    Scenario(restarted_redis),
    Scenario(flushed_redis, lossless=False),
    Scenario(stalled_redis),
    Scenario(cut_network),
    Scenario(slow_readers),
    Scenario(reconnect_storm),
    Scenario(coming_and_going),
]
LONG_SCENARIOS = [*SCENARIOS, Scenario(flooded_readers, lossless=False), Scenario(chaos, lossless=False)]
