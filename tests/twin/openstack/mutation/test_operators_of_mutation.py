"""What can go wrong at a site, and how it is written."""

from __future__ import annotations

import pytest

from twin.openstack.mutation import operators
from twin.openstack.mutation.operators import Mutation, Operator, as_in_study, corrupted, points
from twin.scenario.errors import ScenarioError
from twin.streams import Streams

STREAM = Streams(3)["openstack/mutation"]


@pytest.fixture(autouse=True)
def only_the_sample(monkeypatch, at):
    monkeypatch.setattr(operators, "by_id", lambda _: {site.id: site for site in at.values()})


def _texts(found: tuple[Mutation, ...]) -> list[str]:
    return [point.text.partition("|")[2] for point in found]


def test_a_call_whose_value_nobody_uses_can_be_missing(at):
    assert _texts(points(at["Manager.build/self._note_start"])) == [
        "throwException",
        "missingCall",
        "wrongParameter|1",
        "wrongParameter|2",
        "missingParameter|1",
        "missingParameter|2",
    ]


def test_a_call_whose_value_is_used_can_return_a_wrong_one(at):
    texts = _texts(points(at["Manager.build/self.network_api.allocate"]))
    assert "wrongReturnValue" in texts and "missingCall" not in texts
    assert "missingParameter|quota" in texts


def test_the_study_took_statements_first_arguments_and_returns(at):
    assert as_in_study(at["Manager.build/self.network_api.allocate"]) == ()
    assert _texts(as_in_study(at["Manager.build/return"])) == ["wrongReturnValue"]
    assert _texts(as_in_study(at["Manager.build/self._spawn"])) == [
        "throwException",
        "missingCall",
        "wrongParameter|1",
        "missingParameter|1",
    ]


def test_every_mutation_is_read_back_from_its_text(at):
    every = [point for site in at.values() for point in points(site)]
    assert len({point.text for point in every}) == len(every)
    assert [operators.parse(point.text) for point in every] == every


def test_an_argument_may_be_named_as_it_is_written(at):
    site = at["Manager.build/self._spawn"]
    assert operators.mutation(site.id, "wrongParameter", "name") == Mutation(site, Operator.WRONG_PARAMETER, "2")
    assert operators.mutation(site.id, "wrongParameter", 2).argument == "2"
    only = at["Manager.build/self._size"]
    assert operators.mutation(only.id, "missingParameter").argument == "1"


@pytest.mark.parametrize(
    ("site", "operator", "argument", "key", "told"),
    [
        ("nova.compute.manager.Manager.built/self._spawn", "throwException", None, "site", "Manager.build/self._spawn"),
        ("nova.compute.manager.Manager.build/self._spawn", "explode", None, "mutation", "throwException, missingCall"),
        ("nova.compute.manager.Manager.build/self._spawn", "wrongReturnValue", None, "mutation", "nobody uses"),
        ("nova.compute.manager.Manager.build/self._size", "missingCall", None, "mutation", "wrongReturnValue"),
        ("nova.compute.manager.Manager.build/return", "throwException", None, "mutation", "it is no call"),
        ("nova.compute.manager.Manager.build/self._spawn", "missingParameter", None, "argument", "2 (name)"),
        ("nova.compute.manager.Manager.build/self._spawn", "missingParameter", 4, "argument", "no argument '4'"),
        ("nova.compute.manager.Manager.build/self._spawn", "missingCall", "1", "argument", "leave it out"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(site, operator, argument, key, told):
    with pytest.raises(ScenarioError) as refused:
        operators.mutation(site, operator, argument)
    assert refused.value.path == (key,)
    assert told in refused.value.message


def test_values_are_corrupted_by_their_type():
    class Server:
        pass

    assert corrupted(7, STREAM, "k") == -1
    assert corrupted(True, STREAM, "k") == -1
    assert [corrupted(v, STREAM, "k") for v in (None, 2.5, [1], (1,), Server())] == [None] * 5
    assert [corrupted(v, STREAM, "k") for v in ("", {})] == ["", {}]


def test_a_string_loses_one_bit_or_everything():
    results = {text: corrupted(text, STREAM, "k") for text in map("server-{}".format, range(200))}
    lost = [text for text, result in results.items() if result is None]
    assert 70 < len(lost) < 130
    for text, result in results.items():
        if result is not None:
            assert len(result) == len(text)
            assert sum((ord(a) ^ ord(b)).bit_count() for a, b in zip(text, result, strict=True)) == 1
    assert results == {text: corrupted(text, STREAM, "k") for text in results}


def test_a_dict_is_corrupted_in_a_copy():
    given = {"host": "compute-0", "limits": None}
    wrong = corrupted(given, STREAM, "k")
    assert given == {"host": "compute-0", "limits": None}
    assert len(set(given) - set(wrong)) == 1
    assert list(wrong.values()) == list(given.values())
