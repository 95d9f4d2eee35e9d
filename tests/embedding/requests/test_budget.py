"""A task's share holds in every window, from the first second on."""

import itertools
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakewinnow.embedding.requests.budget import Pace, Share, Stopped


class Clock:
    """Time that passes only while somebody waits for it."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def wait(self, seconds):
        assert seconds is not None, "nothing is under way that could change anything"
        self.now += max(seconds, 1e-6)


@pytest.fixture
def clock():
    return Clock()


def make_pace(clock, **share):
    return Pace(Share(**share), clock=clock, wait=clock.wait)


def begins(pace, clock, amounts, seconds=0.0):
    """Do requests one after another, each taking so many seconds; return when each began."""
    began = []
    for amount in amounts:
        pace.begin(amount)
        began.append(clock.now - 1000)
        clock.now += seconds
        pace.end(amount, amount)
    return began


def test_without_limits_nothing_waits(clock):
    assert begins(make_pace(clock), clock, [10**9] * 100) == [0] * 100


def test_the_first_minute_is_no_burst(clock):
    began = begins(make_pace(clock, requests_per_minute=6), clock, [1] * 6)
    assert began == pytest.approx([10, 20, 30, 40, 50, 60])


def test_tokens_are_spread_like_requests(clock):
    began = begins(make_pace(clock, tokens_per_minute=600), clock, [100, 50, 200])
    assert began == pytest.approx([10, 15, 35])


def test_what_was_not_used_in_the_last_minute_may_be_used_at_once(clock):
    pace = make_pace(clock, requests_per_minute=6)
    clock.now += 3600
    began = begins(pace, clock, [1] * 8)
    assert began[:6] == [3600] * 6
    assert began[6:] == pytest.approx([3660, 3660])


def test_a_request_counts_until_a_minute_after_its_answer(clock):
    pace = make_pace(clock, requests_per_minute=1)
    assert begins(pace, clock, [1, 1], seconds=7) == pytest.approx([60, 127])


def test_a_request_larger_than_the_share_of_a_minute_is_made_up_for(clock):
    began = begins(make_pace(clock, tokens_per_minute=100), clock, [300, 10])
    assert began == pytest.approx([60, 60 + 180])


def test_less_than_one_request_a_minute(clock):
    began = begins(make_pace(clock, requests_per_minute=0.5), clock, [1, 1, 1])
    assert began == pytest.approx([60, 180, 300])


def test_what_is_billed_replaces_what_was_expected(clock):
    pace = make_pace(clock, tokens_per_minute=100)
    clock.now += 60
    pace.begin(90)
    pace.end(90, used=40)
    pace.begin(60)  # does not wait
    pace.end(60, used=90)
    assert clock.now == 1060
    pace.begin(1)
    assert clock.now == pytest.approx(1120)


def test_a_hold_keeps_all_from_beginning(clock):
    pace = make_pace(clock)
    pace.hold(20)
    pace.hold(5)
    assert begins(pace, clock, [1, 1]) == pytest.approx([20, 20])


def test_who_follows_an_even_use_need_not_wait_and_who_follows_a_burst_does(clock):
    pace = make_pace(clock, requests_per_minute=6)
    begins(pace, clock, [1] * 6)
    assert pace.debt() == pytest.approx(10)  # until the next would have begun
    clock.now += 600
    assert pace.debt() == 0
    begins(pace, clock, [1] * 6)
    assert pace.debt() == pytest.approx(60)
    assert make_pace(clock).debt() == 0
    follower = make_pace(clock, requests_per_minute=6, debt_s=60)
    started = clock.now
    follower.begin(1)
    assert clock.now - started == pytest.approx(70)


TASK = st.lists(
    st.tuples(st.integers(1, 120), st.floats(0, 30), st.sampled_from([0.0, 0.0, 20.0, 90.0])),
    min_size=1,
    max_size=20,
)


@settings(max_examples=50, deadline=None)
@given(st.lists(TASK, min_size=1, max_size=3), st.integers(1, 20), st.integers(100, 300))
def test_every_window_keeps_to_the_share(tasks, n_requests, n_tokens):
    """So do tasks that follow each other: rounds."""
    clock, debt_s, log = Clock(), 0.0, []
    share = {"requests_per_minute": n_requests, "tokens_per_minute": n_tokens}
    for task in tasks:
        pace = make_pace(clock, **share, debt_s=debt_s)
        for wanted, seconds, idle in task:
            clock.now += idle
            amount = min(wanted, n_tokens)
            pace.begin(amount)
            log.append((clock.now + seconds, amount))  # reaches the provider as late as can be
            clock.now += seconds
            pace.end(amount, amount)
        debt_s = pace.debt()
    for at, _ in log:
        inside = [amount for other, amount in log if at <= other < at + 60 - 1e-3]
        assert len(inside) <= n_requests
        assert sum(inside) <= n_tokens + 1e-6


def test_threads_together_keep_to_the_share():
    pace = Pace(Share(requests_per_minute=40, window_s=0.5))
    began, numbers = [], itertools.count()

    def work():
        while next(numbers) < 100:
            pace.begin(1)
            began.append(time.monotonic())
            time.sleep(0.002)
            pace.end(1, 1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(began) == 100
    windows = [sum(at <= other < at + 0.499 for other in began) for at in began]
    assert 15 <= max(windows) <= 40


def test_a_stop_wakes_up_who_waits():
    pace = Pace(Share(requests_per_minute=1e-3))
    outcomes = []

    def wait_for(call, *arguments):
        try:
            call(*arguments)
        except Stopped:
            outcomes.append("stopped")

    calls = [(pace.begin, 1), (pace.begin, 1), (pace.rest, 3600)]
    threads = [threading.Thread(target=wait_for, args=call) for call in calls]
    for thread in threads:
        thread.start()
    pace.stop()
    for thread in threads:
        thread.join(timeout=5)
    assert outcomes == ["stopped"] * 3
    with pytest.raises(Stopped):
        pace.begin(1)
