"""nginx's upstream by itself: which peers are tried, and who is let in."""

from __future__ import annotations

import pytest

from twin.inference.upstream import RateLimit, Upstream


def two() -> Upstream[str]:
    return Upstream([("a", "10.0.0.1:8000"), ("b", "10.0.0.2:8000")])


def names(upstream, now, count):
    peers = [upstream.pick(now) for _ in range(count)]
    return [peer.server if peer else None for peer in peers]


def test_peers_take_turns():
    assert names(two(), 0.0, 4) == ["a", "b", "a", "b"]


def test_a_peer_that_failed_is_left_out_for_ten_seconds_and_then_tried_once():
    upstream = two()
    a, b = upstream.peers
    upstream.failed(a, 0.0)
    assert names(upstream, 10.0, 3) == ["b", "b", "b"]
    assert "a" in names(upstream, 10.1, 2)
    assert not upstream.live(a, 10.2)  # that try counts from its own moment
    upstream.answered(a)
    assert upstream.live(a, 10.2)
    assert upstream.live(b, 10.2)


def test_no_peer_is_live_when_all_have_failed():
    upstream = two()
    for peer in upstream.peers:
        upstream.failed(peer, 5.0)
    assert upstream.pick(6.0) is None
    assert upstream.pick(15.1) is not None


def test_a_peer_that_is_the_only_one_is_never_left_out():
    upstream = Upstream([("a", "10.0.0.1:8000")])
    for now in range(5):
        upstream.failed(upstream.peers[0], now)
    assert names(upstream, 5.0, 2) == ["a", "a"]


def test_a_peer_that_was_tried_is_not_tried_again_for_the_same_request():
    upstream = Upstream([("a", "10.0.0.1:8000")])
    assert upstream.pick(0.0, tried=(upstream.peers[0],)) is None


@pytest.mark.parametrize(("burst", "admitted"), [(0, 10), (5, 15)])
def test_a_rate_limit_lets_in_its_rate_and_once_its_burst(burst, admitted):
    limit = RateLimit(burst)
    verdicts = [limit.admits(i * 0.05, 10.0) for i in range(20)]  # 20/s for a second against 10/s
    assert sum(v is None for v in verdicts) == pytest.approx(admitted, abs=1)
    assert all(v > burst for v in verdicts if v is not None)


def test_a_rate_limit_admits_everything_below_its_rate():
    limit = RateLimit(0)
    assert all(limit.admits(i * 0.11, 10.0) is None for i in range(50))
