"""One receiver's queue is sent in order, tried again, given up in time; nothing else is lost."""

import pytest

from mechamap.domain.errors import Unavailable
from mechamap.domain.webhooks import MAX_EVENTS, Notice
from mechamap.webhooks.delivery import Outcome
from mechamap.webhooks.memory_queues import MemoryQueues
from mechamap.webhooks.protocol import Letter
from mechamap.webhooks.sender import GIVE_UP, HURRIED, IDLE, LAST_RETRY, LONGEST_WISH, Sender

OK = Outcome("ok", "Laravel answered 200.")
DOWN = Outcome("webhook_unreachable", "Laravel cannot be reached.")
BROKEN = Outcome("webhook_status_5xx", "Laravel answered 500.")
PAUSED = Outcome("webhook_paused", "Laravel is left alone.", retry_after=12.0)
URL = "https://laravel.test/webhooks"


class Receiver:
    """Laravel as the test wants it, its queue, its dead letters and the meters."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.says = OK
        self.got: list[tuple[bytes, ...]] = []
        self.ids: list[str] = []
        self.letters: list[Letter] = []
        self.table_away = False
        self.counted: dict[str, int] = {}
        self.attempts: list[str] = []
        self.queues = MemoryQueues(["a"], clock=lambda: self.now)
        self.sender = Sender("a", self.send, self.queues, self, self, url=URL)

    def send(self, events: tuple[bytes, ...], batch_id: str) -> Outcome:
        self.ids.append(batch_id)
        if self.says is OK:
            self.got.append(events)
        return self.says

    def keep(self, letter: Letter) -> None:
        if self.table_away:
            raise Unavailable("The database does not answer.")
        self.letters.append(letter)

    def count(self) -> int:
        return len(self.letters)

    def webhook_events(self, outcome: str, count: int = 1) -> None:
        self.counted[outcome] = self.counted.get(outcome, 0) + count

    def webhook_attempt(self, code: str) -> None:
        self.attempts.append(code)

    def happened(self, *texts: bytes) -> None:
        self.queues.add([Notice(text) for text in texts])

    def step(self) -> float:
        """One step, and the time it asks to wait passes."""
        pause = self.sender.step()
        self.now += pause
        return pause


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def test_what_is_taken_is_done_with(receiver: Receiver):
    assert receiver.step() == IDLE
    receiver.happened(b"1", b"2")
    assert receiver.step() == 0.0
    assert receiver.got == [(b"1", b"2")] and receiver.step() == IDLE
    assert receiver.counted == {"delivered": 2} and receiver.attempts == ["ok"]


def test_a_receiver_that_is_down_gets_the_same_batch_later_and_everything_in_order(receiver: Receiver):
    receiver.says = DOWN
    receiver.happened(b"1")
    pauses = [receiver.step() for _ in range(4)]
    receiver.happened(b"2")
    receiver.says = OK
    receiver.step()
    receiver.step()
    assert receiver.got == [(b"1",), (b"2",)]
    assert len(set(receiver.ids[:5])) == 1 and receiver.ids[5] != receiver.ids[0]
    assert all(low <= pause <= 2 * low for low, pause in zip((0.25, 0.5, 1, 2), pauses, strict=True))
    assert receiver.letters == []


def test_attempts_come_less_often_but_never_stop(receiver: Receiver):
    receiver.says = DOWN
    receiver.happened(b"1")
    pauses = []
    while not receiver.letters:
        pauses.append(receiver.step())
    assert max(pauses) <= LAST_RETRY and 10 < len(pauses) < 40
    assert GIVE_UP <= sum(pauses) < GIVE_UP + 2 * LAST_RETRY


def test_what_was_tried_for_five_minutes_is_kept_as_a_dead_letter(receiver: Receiver):
    receiver.says = BROKEN
    receiver.happened(b"1", b"2")
    while not receiver.letters:
        receiver.step()
    [letter] = receiver.letters
    assert (letter.receiver, letter.events, letter.code) == (URL, (b"1", b"2"), "webhook_status_5xx")
    assert letter.attempts == len(receiver.attempts) and letter.batch_id == receiver.ids[0]
    assert receiver.counted == {"dead": 2}
    receiver.says = OK
    receiver.happened(b"3")
    receiver.step()
    assert receiver.got == [(b"3",)]


def test_a_batch_that_is_refused_alone_does_not_take_the_others_along(receiver: Receiver):
    receiver.happened(*([b"poison"] * MAX_EVENTS), b"good")
    receiver.says = BROKEN
    while not receiver.letters:
        receiver.step()
    receiver.says = OK
    receiver.step()
    assert receiver.got == [(b"good",)] and len(receiver.letters) == 1


def test_behind_a_long_outage_old_batches_are_given_up_quickly(receiver: Receiver):
    receiver.happened(*([b"x"] * MAX_EVENTS * 3))
    receiver.says = DOWN
    while not receiver.letters:
        receiver.step()
    before = receiver.now
    assert [receiver.step(), receiver.step()] == [HURRIED, HURRIED]
    assert len(receiver.letters) == 3 and receiver.now - before < 2
    receiver.happened(b"new")
    receiver.step()
    assert len(receiver.letters) == 3  # it has its five minutes


def test_what_waited_while_nobody_could_send_is_not_given_up_at_the_first_refusal(receiver: Receiver):
    receiver.happened(b"1")
    receiver.now += 10 * GIVE_UP  # the whole server was away
    receiver.says = BROKEN
    receiver.step()
    assert receiver.letters == []
    receiver.says = OK
    receiver.step()
    assert receiver.got == [(b"1",)]


def test_the_receivers_wish_to_be_left_alone_is_respected_within_reason(receiver: Receiver):
    receiver.happened(b"1")
    receiver.says = PAUSED
    assert receiver.step() == 12.0 and receiver.attempts == []
    receiver.says = Outcome("webhook_status_4xx", "Laravel answered 429.", retry_after=100_000.0)
    assert receiver.step() == LONGEST_WISH


def test_the_reason_that_is_told_is_the_last_real_one(receiver: Receiver):
    receiver.happened(b"1")
    receiver.says = DOWN
    receiver.step()
    receiver.says = PAUSED
    while not receiver.letters:
        receiver.step()
    [letter] = receiver.letters
    assert (letter.code, letter.attempts) == ("webhook_unreachable", 1)  # the others were not made
    assert receiver.attempts == ["webhook_unreachable"]
    assert receiver.queues.waiting("a").failure == "webhook_unreachable"


def test_while_dead_letters_cannot_be_kept_nothing_is_given_up(receiver: Receiver):
    receiver.table_away = True
    receiver.says = DOWN
    receiver.happened(b"1")
    with pytest.raises(Unavailable):
        while True:
            receiver.step()
    receiver.table_away = False
    receiver.says = OK
    receiver.step()
    assert receiver.got == [(b"1",)] and receiver.letters == []
