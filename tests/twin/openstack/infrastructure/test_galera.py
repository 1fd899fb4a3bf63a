"""Galera: one server is written to, the others follow; a majority goes on, a minority answers nothing."""

from __future__ import annotations

import pytest

from twin import Action
from twin.mechanics import galera as limits
from twin.mechanics import haproxy as balancing
from twin.openstack.oslo.exceptions import DBConnectionError, DBDeadlock


def _errors(outcomes):
    return [(began, str(error)) for began, _, error in outcomes if error is not None]


def test_all_sessions_go_to_one_server_and_all_servers_have_what_is_written(rig):
    r = rig()
    outcomes = []
    r.every(0.1, 1.0, 11.0, lambda _: r.transaction(outcomes))
    r.run(20)
    servers = r.site.database.servers
    assert len(outcomes) == 100
    assert not _errors(outcomes)
    assert [s.committed for s in servers] == [100, 100, 100]
    assert servers[0].connected > 0
    assert servers[1].connected == servers[2].connected == 0


def test_a_dead_primary_is_replaced_after_five_failed_checks(rig, crash):
    r = rig(crash("mysql-0", 100, "container"))
    outcomes = []
    r.every(0.25, 90.0, 130.0, lambda _: r.transaction(outcomes))
    r.run(200)
    failed = _errors(outcomes)
    assert failed
    assert all("2013, 'Lost connection" in text for _, text in failed)
    down = r.lines("haproxy.down", "haproxy")
    assert len(down) == 1
    expected = balancing.INTER * balancing.FALL
    assert 100 + expected - balancing.INTER <= down[0].time <= 100 + expected
    assert max(began for began, _ in failed) <= down[0].time
    late = [o for o in outcomes if o[0] > down[0].time + 0.01]
    assert late
    assert all(error is None for _, _, error in late)
    assert r.site.database.servers[1].connected > 0


def test_nothing_commits_while_a_silent_member_is_suspected(rig, crash):
    r = rig(crash("mysql-2", 100))
    outcomes = []
    r.at(101.0, lambda: r.transaction(outcomes))
    r.at(101.0, lambda: r.transaction(outcomes, write=False))
    r.run(110)
    assert not _errors(outcomes)
    (read, written) = sorted(ended for _, ended, _ in outcomes)
    assert read < 101.5
    assert written == pytest.approx(100 + limits.SUSPECT_TIMEOUT + limits.INSTALL_VIEW, abs=0.1)


def test_a_member_that_says_good_bye_delays_nobody(rig):
    r = rig()
    outcomes = []
    r.at(100.0, lambda: r.world.apply(Action("restart", "mysql-2", "immediate")))
    r.at(100.5, lambda: r.transaction(outcomes))
    r.run(101)
    assert len(outcomes) == 1
    assert outcomes[0][2] is None
    assert len(r.site.database.view) == 2


def test_one_of_three_has_no_quorum(rig, crash):
    r = rig(crash("mysql-1", 100, "container"), crash("mysql-2", 100, "container"))
    outcomes = []
    r.every(1.0, 110.0, 120.0, lambda _: r.transaction(outcomes))
    r.run(125)
    alone = r.site.database.servers[0]
    assert alone.up
    assert not alone.ready
    assert len(outcomes) == 10
    texts = [text for _, text in _errors(outcomes)]
    assert len(texts) == 10
    assert any("1047, 'WSREP has not yet prepared node for application use'" in text for text in texts)
    assert any("2013" in text for text in texts)  # once the balancer has seen it


def test_two_of_three_go_on(rig, crash):
    r = rig(crash("mysql-1", 100, "container"))
    outcomes = []
    r.every(1.0, 110.0, 120.0, lambda _: r.transaction(outcomes))
    r.run(125)
    assert not _errors(outcomes)
    assert r.site.database.servers[0].sample()[5] == 2


def test_the_cluster_is_whole_again_when_all_have_come_back(rig, crash):
    r = rig(*(crash(f"mysql-{i}", 100) for i in range(3)))
    outcomes = []
    r.run(160)
    assert all(server.ready for server in r.site.database.servers)
    r.transaction(outcomes)
    r.run(165)
    assert not _errors(outcomes)


def test_who_was_away_for_long_gets_everything_sent_again(rig, crash):
    r = rig(crash("mysql-2", 100))
    r.at(101.0, lambda: setattr(r.site.database, "sequence", 10_000_000))
    r.run(200)
    assert r.lines("wsrep.sst", "mysql-2")
    assert r.lines("galera.member-synced", "mysql-2")
    ready = r.lines("mysql.ready", "mysql-2")[0].time
    assert ready - 110 > limits.DATA_BYTES / limits.SST_RATE
    assert r.site.database.servers[2].committed == r.site.database.sequence


def test_who_was_away_shortly_gets_what_it_missed(rig, crash):
    r = rig(crash("mysql-2", 100))
    outcomes = []
    r.every(0.1, 106.0, 112.0, lambda _: r.transaction(outcomes))
    r.run(160)
    assert r.lines("wsrep.ist", "mysql-2")
    assert not r.lines("wsrep.sst")
    assert {s.committed for s in r.site.database.servers} == {60}


def test_a_minority_behind_a_cut_answers_1047_and_comes_back_with_the_network(rig):
    r = rig()
    machine = r.site.controllers[2]
    cut = {"controller-0", "controller-1"}

    def sever() -> None:
        from twin.mechanics.conditions import Condition, Traffic
        from twin.mechanics.layers import Layer

        machine.impose(Condition(Layer.NETWORK, "blocked", 1.0, "cut", Traffic("both", frozenset(cut))))

    r.at(100.0, sever)
    r.at(130.0, lambda: machine.lift(machine.conditions[0]))
    r.run(120)
    cut_off = r.site.database.servers[2]
    assert not cut_off.ready
    assert [s.ready for s in r.site.database.servers[:2]] == [True, True]
    assert r.lines("galera.non-primary", "mysql-2")
    r.run(150)
    assert cut_off.ready
    assert len(r.site.database.view) == 3


def test_writers_on_two_servers_conflict(rig):
    r = rig()
    outcomes = []
    servers = r.site.database.servers

    def write(server) -> None:
        def steps():
            try:
                yield from server.run(10, r.context(), True)
            except DBDeadlock as error:
                outcomes.append(error)

        r.callers[0].spawn(steps())

    r.every(0.02, 1.0, 41.0, lambda _: [write(s) for s in servers[:2]])
    r.run(60)
    assert 10 < len(outcomes) < 400
    assert sum(s.sample()[12] for s in servers) == len(outcomes)


def test_a_runaway_writer_makes_victims_that_try_again(rig, fault):
    r = rig(fault("DatabaseChaos", "deadlocks", "mysql-0", 10, share=0.5, hold="2s"))
    done, took = [], []
    client = r.callers[0]

    def transaction() -> None:
        began = r.world.now

        def steps():
            try:
                yield from client.sql(r.context(), 5, write=True)
                done.append(None)
            except DBDeadlock as error:
                done.append(error)
            took.append(r.world.now - began)

        client.spawn(steps())

    r.every(0.5, 20.0, 120.0, lambda _: transaction())
    r.run(200)
    deadlocks = r.site.database.servers[0].sample()[-2]
    assert len(done) == 200
    assert deadlocks > 30
    assert sum(error is None for error in done) > 190  # retried
    assert len(r.lines("oslo.database-retries-exceeded")) == sum(error is not None for error in done)
    assert max(took) > 1.0


def test_exhausted_connections_refuse_new_ones_only(rig, fault):
    r = rig(fault("DatabaseChaos", "connectionExhaustion", "mysql-0", 10, duration=60))
    outcomes = []
    r.at(5.0, lambda: r.transaction(outcomes))
    r.at(12.0, lambda: r.transaction(outcomes))  # over the idle connection of before
    r.at(40.0, lambda: r.transaction(outcomes))  # which is too old by now
    r.at(80.0, lambda: r.transaction(outcomes))
    r.run(90)
    errors = [None if o[2] is None else str(o[2]) for o in outcomes]
    assert [e is None for e in errors] == [True, True, False, True]
    assert "1040, 'Too many connections'" in errors[2]
    assert not r.lines("haproxy.down")


def test_a_full_disk_holds_writes_on_the_primary_and_says_so_once(rig, fault):
    r = rig(fault("NodeChaos", "diskFull", "controller-0", 10, duration=100))
    outcomes = []
    r.every(1.0, 20.0, 30.0, lambda _: r.transaction(outcomes))
    r.every(1.0, 20.0, 30.0, lambda _: r.transaction(outcomes, write=False))
    r.run(100)
    assert len(outcomes) == 10  # the reads
    full = r.lines("mysql.disk-full", "mysql-0")
    assert len(full) == 1
    r.run(200)
    assert len(outcomes) == 20
    assert not _errors(outcomes)


def test_a_member_that_cannot_store_leaves_and_stays_away_until_there_is_room(rig, fault):
    r = rig(fault("NodeChaos", "diskFull", "controller-2", 10, duration=100))
    outcomes = []
    r.every(1.0, 20.0, 30.0, lambda _: r.transaction(outcomes))
    r.run(100)
    assert not _errors(outcomes)
    assert not r.site.database.servers[2].up
    assert r.lines("wsrep.inconsistent", "mysql-2")
    r.run(400)
    assert r.site.database.servers[2].ready


def test_a_slow_member_holds_the_writers_back(rig, fault):
    r = rig(fault("DatabaseChaos", "slow", "mysql-1", 10, factor=2000))
    outcomes = []
    r.every(0.05, 20.0, 40.0, lambda _: r.transaction(outcomes))
    r.run(60)
    early, late = outcomes[5], outcomes[-1]
    assert late[1] - late[0] > 5 * (early[1] - early[0])
    assert r.site.database.servers[1].paused > 1.0
    assert not r.lines("db.lost")


def test_without_a_balancer_a_dead_server_refuses(rig, crash):
    r = rig(crash("mysql-0", 100, "container"), controllers=1)
    outcomes = []
    r.at(105.0, lambda: r.transaction(outcomes))
    r.run(110)
    assert isinstance(outcomes[0][2], DBConnectionError)
    assert "(2003, \"Can't connect to MySQL server on 'controller-0' ([Errno 111] ECONNREFUSED)\")" in str(
        outcomes[0][2]
    )


def test_a_service_finds_its_idle_connection_cut(rig, crash):
    r = rig(crash("mysql-0", 100), controllers=1)
    client = r.callers[0]
    r.at(99.0, lambda: client.spawn(client.sql(r.context(), 2)))
    r.at(101.0, lambda: client.spawn(client.sql(r.context(), 2)))
    r.run(103)
    assert len(r.lines("db.lost", "caller-0")) == 1


def test_what_is_under_way_on_a_dead_machine_hangs(rig, fault):
    r = rig(fault("NodeChaos", "powerLoss", "controller-0", 50, duration=2000))
    outcomes = []
    r.at(49.99, lambda: r.transaction(outcomes))
    r.run(50 + limits.GIVEN_UP - 1)
    assert not outcomes
    r.run(50 + limits.GIVEN_UP + 1)
    assert "2013, 'Lost connection" in str(outcomes[0][2])


def test_a_donor_is_free_again_when_its_joiner_dies_and_a_joiner_aborts_without_its_donor(rig, crash):
    for dies, expected in (("mysql-2", "mysql-1"), ("mysql-1", "mysql-2")):
        second = crash(dies, 125) | {"name": "second"}
        r = rig(crash("mysql-2", 100), second)
        r.at(101.0, lambda r=r: setattr(r.site.database, "sequence", 10_000_000))
        r.run(124)
        servers = {server.name: server for server in r.site.database.servers}
        assert servers["mysql-1"].sample()[6] == 2  # the donor
        r.run(160)
        assert bool(r.lines("wsrep.no-state", "mysql-2")) is (dies == "mysql-1")
        r.run(400)
        assert all(server.ready and server.wsrep == 4 for server in servers.values()), expected
