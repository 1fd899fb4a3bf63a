"""What a mutated program does."""

from __future__ import annotations

import traceback

import pytest

from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.openstack.mutation import coverage
from twin.openstack.mutation.mutants import keep, runs_site
from twin.openstack.mutation.operators import Mutation, Operator, points


@pytest.fixture
def manager(sample, service):
    return sample.Manager(service)


def _mutate(service, *mutations):
    service.mutants.become(frozenset(mutations))


def _build(service, manager):
    return service.run(manager.build("ctx", "vm", 2))


HEALTHY = [("start", "ctx", "vm"), ("reserve", "ctx", 2), ("spawn", "ctx", "vm", 20), ("start", "ctx", "again")]


def test_a_healthy_program_is_left_alone(service, manager):
    _mutate(service)
    assert _build(service, manager) == {"ports": 2, "quota": True}
    assert service.seen == HEALTHY
    assert "build" not in vars(manager)


def test_a_thrown_exception_points_at_the_line_of_the_call(service, manager, at):
    site = at["Manager.build/self.network_api.allocate"]
    _mutate(service, Mutation(site, Operator.THROW_EXCEPTION))
    with pytest.raises(Exception) as thrown:
        _build(service, manager)
    assert type(thrown.value) is Exception and str(thrown.value) == ""
    frame = next(f for f in traceback.extract_tb(thrown.value.__traceback__) if f.name == "build")
    assert frame.lineno == site.line
    assert frame.line == "info = yield from self.network_api.allocate(context, ports, quota=True)"


def test_a_missing_call_is_not_made(service, manager, at):
    _mutate(service, Mutation(at["Manager.build/self._spawn"], Operator.MISSING_CALL))
    _build(service, manager)
    assert service.seen == [step for step in HEALTHY if step[0] != "spawn"]


def test_a_function_that_waits_for_nothing_any_more_is_still_waited_for(service, manager, at):
    _mutate(service, Mutation(at["Manager._spawn/self._wait"], Operator.MISSING_CALL))
    _build(service, manager)
    assert service.seen == HEALTHY
    assert service.clock.now == 1.0


def test_a_wrong_return_value_is_wrong_for_whoever_uses_it(service, manager, at):
    _mutate(service, Mutation(at["Manager.build/self._size"], Operator.WRONG_RETURN_VALUE))
    _build(service, manager)
    assert ("spawn", "ctx", "vm", -1) in service.seen


def test_a_function_may_return_a_wrong_value_to_all_its_callers(service, manager, at):
    _mutate(service, Mutation(at["NetworkAPI.allocate/return"], Operator.WRONG_RETURN_VALUE))
    wrong = _build(service, manager)
    assert sorted(map(str, wrong.values())) == ["2", "True"]
    assert set(wrong) != {"ports", "quota"}


def test_a_wrong_parameter_reaches_the_callee(service, manager, at):
    _mutate(service, Mutation(at["Manager.build/self.network_api.allocate"], Operator.WRONG_PARAMETER, "2"))
    assert _build(service, manager)["ports"] == -1
    _mutate(service, Mutation(at["Manager.build/self.network_api.allocate"], Operator.WRONG_PARAMETER, "quota"))
    assert _build(service, manager)["quota"] == -1


def test_a_missing_parameter_is_pythons_error_or_takes_its_default(service, manager, at):
    _mutate(service, Mutation(at["Manager.build/self._spawn"], Operator.MISSING_PARAMETER, "3"))
    _build(service, manager)
    assert ("spawn", "ctx", "vm", 7) in service.seen
    _mutate(service, Mutation(at["NetworkAPI.allocate/self._reserve"], Operator.MISSING_PARAMETER, "1"))
    with pytest.raises(TypeError, match=r"NetworkAPI\._reserve\(\) missing 1 required positional argument: 'ports'"):
        _build(service, manager)


def test_mutated_functions_keep_their_names_in_pythons_errors(service, manager, at):
    _mutate(
        service,
        Mutation(at["Manager.build/self._spawn"], Operator.MISSING_PARAMETER, "1"),
        Mutation(at["Manager.build/self._spawn"], Operator.MISSING_PARAMETER, "2"),
        Mutation(at["Manager.build/self._spawn"], Operator.MISSING_PARAMETER, "3"),
        Mutation(at["Manager._spawn/self._wait"], Operator.MISSING_CALL),
    )
    with pytest.raises(TypeError, match=r"^Manager\._spawn\(\) missing 2 required"):
        _build(service, manager)


def test_mutations_of_one_function_add_up(service, manager, at):
    spawn = at["Manager.build/self._spawn"]
    _mutate(
        service,
        Mutation(spawn, Operator.WRONG_PARAMETER, "1"),
        Mutation(spawn, Operator.MISSING_PARAMETER, "2"),
        Mutation(at["Manager.build/self._size"], Operator.WRONG_RETURN_VALUE),
        Mutation(at["Manager.build/self._note_start#2"], Operator.MISSING_CALL),
    )
    _build(service, manager)
    context = service.seen[2][1]
    assert service.seen == [HEALTHY[0], HEALTHY[1], ("spawn", context, -1, 7)]
    assert context != "ctx"


def test_a_call_that_throws_hides_what_else_is_wrong_with_it(service, manager, at):
    spawn = at["Manager.build/self._spawn"]
    _mutate(service, *points(spawn))
    with pytest.raises(Exception, match=r"^$"):
        _build(service, manager)
    assert not [step for step in service.seen if step[0] == "spawn"]


def test_private_names_and_super_stay_what_they_are(sample, service, at):
    better = sample.BetterManager(service)
    _mutate(service, Mutation(at["Manager.tell/self._note_start"], Operator.MISSING_CALL))
    assert better.tell() == "secret!"  # it runs the other function of that name
    assert service.seen == [("start", None, "better"), ("start", None, "tell")]
    _mutate(service, Mutation(at["BetterManager.tell/self._note_start"], Operator.MISSING_CALL))
    assert better.tell() == "secret!"
    plain = sample.Manager(service)
    _mutate(service, Mutation(at["Manager.tell/self._note_start"], Operator.MISSING_CALL))
    service.seen.clear()
    assert plain.tell() == "secret" and service.seen == []


def test_a_flow_runs_the_functions_that_it_inherits(sample, service, at):
    better = sample.BetterManager(service)
    assert runs_site(better, at["Manager.build/self._spawn"])
    assert not runs_site(better, at["Manager.tell/self._note_start"])


def test_what_runs_already_finishes_as_it_was(service, manager, at):
    running = manager.build("ctx", "vm", 2)
    waits_for = next(running)
    _mutate(service, Mutation(at["Manager.build/self._note_start#2"], Operator.MISSING_CALL))
    service.clock.run(waits_for)
    for event in running:
        service.clock.run(event)
    assert service.seen[-1] == ("start", "ctx", "again")


def test_a_component_is_mutated_as_long_as_it_has_the_condition(service, manager, at):
    text = Mutation(at["Manager.build/self._spawn"], Operator.MISSING_CALL).text
    condition = Condition(Layer.CONFIGURATION, "mutation", 1.0, "fault", code=text)
    service.conditions.append(condition)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("twin.openstack.mutation.operators.by_id", lambda _: {s.id: s for s in at.values()})
        keep(service)
        assert service.site.mutated
        assert "build" in vars(manager)
        service.conditions.clear()
        keep(service)
    assert "build" not in vars(manager)
    _build(service, manager)
    assert service.seen == HEALTHY


def test_other_components_keep_their_program(sample, service, manager, at):
    other = sample.Manager(service)
    service.flows.remove(other)
    _mutate(service, Mutation(at["Manager.build/self._spawn"], Operator.MISSING_CALL))
    service.run(other.build("ctx", "vm", 2))
    assert service.seen == HEALTHY


def test_activations_are_counted_from_the_first_on(service, manager, at):
    mutation = Mutation(at["Manager.build/self._note_start"], Operator.WRONG_PARAMETER, "2")
    _mutate(service, mutation)
    service.world.now = 5.0
    _build(service, manager)
    service.world.now = 9.0
    _build(service, manager)
    activation = service.mutants.activations[mutation.text]
    assert (activation.first, activation.count) == (5.0, 2)


def test_every_mutation_of_every_site_can_be_compiled(service, sample, manager, at):
    for site in at.values():
        runs = [flow for flow in service.flows if runs_site(flow, site)]
        for point in points(site):
            _mutate(service, point)
            assert all(site.function in vars(flow) for flow in runs), f"not installed: {point.text}"
    _mutate(service, *(point for site in at.values() for point in points(site)))
    assert any(vars(flow).keys() & {site.function for site in at.values()} for flow in service.flows)


def test_coverage_counts_sites_and_changes_nothing(service, manager, at, monkeypatch):
    monkeypatch.setattr(coverage, "sites", lambda _: tuple(at.values()))
    counter = coverage.count([service])
    assert _build(service, manager) == {"ports": 2, "quota": True}
    assert service.seen == HEALTHY
    reached = {name.split(".", 3)[3]: hits for (_, name), hits in counter.items()}
    assert reached["Manager.build/self._note_start#2"] == 1
    assert reached["Manager.build/return"] == 1
    assert not [name for name in reached if "tell" in name]
