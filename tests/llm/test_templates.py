"""Template mining: what is masked, how templates form, and that ids are stable."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.templates import LONGEST, MASKS, UNKNOWN, Templates, mask, masked, mine


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        ("took 20.58 seconds", "took <num> seconds"),
        ("cache size: 412,336 tokens", "cache size: <num> tokens"),
        ("Request cmpl-ab12 failed", "Request <id> failed"),
        ("req-1f2e3d4c-0011-2233-4455-66778899aabb done", "<id> done"),
        ("instance 6a1b2c3d-0000-4111-8222-333344445555 up", "instance <uuid> up"),
        ("client 10.0.1.10:8000 left", "client <ip> left"),
        ("GPU at PCI:0000:9b:00 lost", "GPU at <pci> lost"),
        ("flags 0x2081 0x4", "flags <hex> <hex>"),
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("pod ray-replicas-1 on node-3", "pod ray-replicas-<num> on node-<num>"),
        ("POST /v1/chat/completions 503 812.4ms", "POST /v1/chat/completions <503> <num>ms"),
        ('x HTTP/1.1" status: 404 len: 12', 'x HTTP/<num>" status: <404> len: <num>'),
        ("Xid (PCI:0000:05:00): 79, pid=7", "Xid (<pci>): <79>, pid=<num>"),
        ("action changed to 0x2 (Node Reboot Required)", "action changed to <hex> (<Node_Reboot_Required>)"),
        ('status="NodeNotReady" node="node-1"', 'status="<NodeNotReady>" node="node-<num>"'),
        (
            'upstream timed out while reading upstream, client: 10.0.0.7, server: _, host: "x"',
            "upstream timed out while reading upstream<request>",
        ),
    ],
)
def test_variable_parts_are_masked_and_codes_that_name_an_event_are_kept(message: str, masked: str) -> None:
    assert mask(message).text == masked


UUID = "aa1b2c3d-0000-4111-8222-333344445555"
TEXTS = (
    "x",
    "12ms",
    "-3.5e7",
    "+4,096",
    "0x2f",
    "deadbeef0123",
    "10.0.0.7:80",
    "2026-01-01 ",
    "HTTP/1.1",
    "status: 404",
)
IDS = (UUID, f"req-{UUID}", f"GPU-{UUID}", "chatcmpl-a1", "id='x'", "(PCI:0000:9b:00): 79, ")
CODES = (
    'status="x"',
    '" 502',
    "exit code: 1",
    ", client: x",
    " (GPU Reset Required)",
    " (Node Reboot Required)",
    " (Drain P2P)",
)


@given(st.lists(st.sampled_from((*" _-7", *TEXTS, *IDS, *CODES)), max_size=12).map("".join))
def test_every_mask_is_looked_for_wherever_it_may_begin(message: str) -> None:
    masks = re.compile("|".join(f"(?P<{name}>{what})" for name, what in MASKS.items()), re.VERBOSE | re.I | re.A)

    def hidden(found: re.Match[str]) -> str:
        return f"<{found.group().replace(' ', '_') if found.lastgroup == 'code' else found.lastgroup}>"

    assert mask(message).text == masked(message) == masks.sub(hidden, message)


def test_masked_numbers_become_typed_fields() -> None:
    assert mask("Running: 31 reqs, Waiting: 4 reqs, usage: 91.7%").numbers == (31.0, 4.0, 91.7)
    assert mask("x " + "9" * 400).numbers == (1e15,)


def test_messages_of_one_statement_share_a_template_and_others_do_not() -> None:
    table = Templates()
    ids = mine(["user anna logged in", "user bert logged in", "disk is full now", "user carl logged in"], table)
    assert ids == [1, 1, 2, 1]
    assert table.text(1) == "user <*> logged in"


def test_codes_are_never_merged() -> None:
    table = Templates()
    ids = mine(["GET /health 200 1.0ms", "GET /health 503 1.0ms", "GET /health 200 9.0ms"], table)
    assert ids == [1, 2, 1]


def test_what_a_node_and_an_upstream_came_to_is_never_merged() -> None:
    tail = ', client: 10.42.1.41, server: _, request: "POST /v1/chat/completions HTTP/1.1", host: "nginx-proxy"'
    said = [
        f"upstream timed out (110: Connection timed out) while reading upstream{tail}",
        f"upstream prematurely closed connection while reading response header from upstream{tail}",
        '"Recording status change event message for node" logger="x" status="NodeReady" node="node-1"',
        '"Recording status change event message for node" logger="x" status="NodeNotReady" node="node-1"',
        "NVRM: Xid (PCI:0000:05:00): 154, action changed from 0x0 (None) to 0x1 (GPU Reset Required)",
        "NVRM: Xid (PCI:0000:05:00): 154, action changed from 0x0 (None) to 0x2 (Node Reboot Required)",
    ]
    assert len({*mine(said, Templates())}) == len(said)


def test_matching_learns_nothing_and_does_not_guess() -> None:
    table = Templates()
    mine(["user anna logged in", "user bert logged in"], table)
    before = table.to_json()
    assert table.match("user zoe logged in") == 1
    assert table.match("user zoe logged out") == UNKNOWN
    assert table.match("") == UNKNOWN
    assert table.to_json() == before


def test_the_table_survives_json() -> None:
    table = Templates()
    messages = [f"{verb} {noun} now" for verb in ("start", "stop", "7x") for noun in ("a", "b", "c 1")]
    mine(messages, table)
    restored = Templates.from_json(json.loads(json.dumps(table.to_json())))
    assert restored.to_json() == table.to_json()
    assert [restored.match(mask(m).text) for m in messages] == [table.match(mask(m).text) for m in messages]


def test_hostile_text_cannot_grow_the_table_without_bound() -> None:
    table = Templates(capacity=3)
    ids = mine(["a", "b b", "c c c", "d d d d", "a"], table)
    assert ids == [1, 2, 3, UNKNOWN, 1]
    assert len(mask("x" * 10_000_000).text) == LONGEST


@given(st.lists(st.text(max_size=60), max_size=20))
def test_the_same_messages_give_the_same_ids_and_match_what_they_formed(messages: list[str]) -> None:
    first, second = Templates(), Templates()
    assert mine(messages, first) == mine(messages, second)
    assert first.to_json() == second.to_json()
    for message in messages:
        assert first.match(mask(message).text) != UNKNOWN


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.uuids(), st.uuids())
def test_masked_arguments_do_not_change_the_template(a: int, b: int, u: object, v: object) -> None:
    assert mask(f"instance {u} took {a} s").text == mask(f"instance {v} took {b} s").text


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "d1", "e2"]), min_size=1, max_size=5), max_size=40))
def test_the_tree_forms_the_clusters_that_drain3_forms(lines: list[list[str]]) -> None:
    """Checked against drain3 0.9.11 where it is installed, on text that no mask touches."""
    drain = pytest.importorskip("drain3.drain")
    theirs, ours = drain.Drain(), Templates()
    for line in lines:
        text = " ".join(line)
        assert ours.add(text) == theirs.add_log_message(text)[0].cluster_id
    assert [ours.text(c.cluster_id) for c in theirs.clusters] == [c.get_template() for c in theirs.clusters]
