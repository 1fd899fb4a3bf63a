"""Rules about machines, processes and load: what an SRE's runbook has for a dead, hung, starved or flooded service."""

from __future__ import annotations

import numpy as np

from policies.baselines.ladder_parts import Rung
from policies.baselines.reading import Reading
from policies.baselines.watch import Rungs, Watch
from policies.legality import SERVICES

CONFIGURED = SERVICES | {"vllm", "ray-head", "nginx"}
"""Kinds of process whose settings are rolled out, and can be rolled back."""


def machine_away(watch: Watch, reading: Reading) -> Rungs:
    """A machine does not answer any more: what it carried goes elsewhere, then it is started again."""
    config, memory = watch.config, watch.memory
    for node, since in sorted(memory.away_since.items(), key=lambda item: item[1]):
        if reading.busy(node) or memory.now - since < config.away or len(memory.away_since) == len(memory.seen_nodes):
            continue
        moves = [Rung("drain", node, "immediate", config.settle_move)]  # then nobody misses it, and it may come back
        moves += [Rung("migrate", i, "immediate", 0.0) for i in _agents(reading, node)]
        moves += [Rung("evacuate", i, "gentle", 0.0) for i in _agents(reading, node)]
        deeper = [
            Rung("reboot", node, "immediate", config.settle_reboot),
            Rung("power-cycle", node, "immediate", config.settle_power_cycle),
            Rung("replace", node, "immediate", config.settle_replace),
        ]
        yield ("away", node), [*moves, *deeper]


def _agents(reading: Reading, node: int) -> list[int]:
    return [i for i in reading.neighbours(node) if reading.kinds[i] == "nova-compute"]


def down(watch: Watch, reading: Reading) -> Rungs:
    """A process that was there and does not come back: a restart is what its supervisor tries, so begin above."""
    memory, config = watch.memory, watch.config
    nobody = any(_stands_still(watch, reading, h) for h in reading.of_kind("ray-head"))  # whoever would start replicas
    for i, since in sorted(memory.down_since.items(), key=lambda item: item[1]):
        replica = reading.kinds[i] == "vllm"
        if replica and nobody:
            continue  # see `head`
        node = watch.node_of(reading, i)
        if node is not None and (not reading.present[node] or reading.busy(node)):
            continue  # the machine is away: its residents come back with it
        if node is not None and memory.starved.get(node, -1e9) > memory.now - 60.0:
            continue  # the machine is what is ill
        patience = config.patience_replica if replica else config.patience
        if memory.now < memory.quiet.get(i, 0.0) or reading.busy(i):
            continue
        if memory.now - since < patience and i not in memory.looping:
            continue
        settle = watch.settle(reading, i)
        sources = reading.of_kind("model-store") if replica else []
        stores = [Rung("restart", store, "immediate", config.settle_settings) for store in sources]
        recreate = Rung("recreate", i, "immediate", settle)
        new = i in memory.moved  # it is a new container, on another machine: what they load from comes first
        rungs = [*stores, recreate] if new else [recreate, *stores]
        if reading.kinds[i] in CONFIGURED:
            rungs.append(Rung("rollback-config", i, "immediate", settle))
        if replica:
            elsewhere = Rung("migrate", i, "immediate", config.settle_move)
            rungs.insert(0 if node is not None and watch.disk_full(reading, node) else len(rungs), elsewhere)
        if reading.kinds[i] == "ray-head":
            rungs.append(Rung("fail-over-head", i, "immediate", settle))
        if node is not None:
            rungs.append(Rung("reboot", node, "immediate", config.settle_reboot))
        yield ("down anew" if new else "down", i), rungs


def hung(watch: Watch, reading: Reading) -> Rungs:
    """A replica has requests and gives no token: its engine hangs."""
    config = watch.config
    for replica in watch.serving(reading):
        running = reading.value(replica, "vllm:num_requests_running") or 0.0
        tokens = reading.value(replica, "vllm:generation_tokens_total")
        prompts = reading.value(replica, "vllm:prompt_tokens_total")
        still = running > 0 and tokens == 0.0 and prompts == 0.0
        if watch.lasts("hung", replica, still, config.hung_decisions):
            settle = config.settle_replica
            yield (
                ("hung", replica),
                [
                    Rung("restart", replica, "immediate", settle),
                    Rung("recreate", replica, "immediate", settle),
                    Rung("migrate", replica, "immediate", settle),
                ],
            )


def misconfigured(watch: Watch, reading: Reading) -> Rungs:
    """Requests wait in a replica though its cache has room, and not in some peer: its settings keep them out."""
    waiting = {r: reading.value(r, "vllm:num_requests_waiting") or 0.0 for r in watch.serving(reading)}
    for replica, own in waiting.items():
        peers = [w for r, w in waiting.items() if r != replica]
        usage = reading.value(replica, "vllm:kv_cache_usage_perc")
        room = usage is not None and usage < 0.5
        alone = own > watch.config.waiting and room and bool(peers) and min(peers) < 2.0
        if watch.lasts("misconfigured", replica, alone, watch.config.slow_decisions):
            settle = watch.config.settle_replica
            yield ("misconfigured", replica), [Rung("rollback-config", replica, "gentle", settle, replica, urgent=True)]


def slow_database(watch: Watch, reading: Reading) -> Rungs:
    """Statements pile up in MySQL: a restart ends the sessions that hold locks."""
    config = watch.config
    for i in reading.of_kind("mysql"):
        threads = watch.last(reading, i, "mysql_global_status_threads_running", config.database_decisions)
        if len(threads) == config.database_decisions and np.mean(threads) > config.database_threads:
            again = Rung("restart", i, "immediate", 2 * config.settle)
            yield ("database", i), [again, Rung("fail-over-database", i, "immediate", 2 * config.settle), again]


def taken_back(watch: Watch, reading: Reading) -> Rungs:
    """A host that we emptied is there again and works: servers may come back to it."""
    for agent in sorted(watch.memory.emptied):
        node = watch.node_of(reading, agent)
        if node is None or not reading.present[node] or reading.busy(node):
            continue
        works = reading.value(agent, "openstack_nova_agent_state") == 1.0
        if watch.lasts("works again", agent, works, watch.config.calm_decisions):
            yield ("works again", agent), [Rung("uncordon", node, "immediate", 0.0)] * 4


def disk_full(watch: Watch, reading: Reading) -> Rungs:
    """A machine of an OpenStack site has no room on its disk: what does not belong there goes."""
    for node in reading.of_kind("node"):
        if reading.present[node] and not reading.busy(node) and watch.disk_full(reading, node):
            yield ("disk full", node), [Rung("free-disk", node, "immediate", watch.config.settle)] * 3


def memory_low(watch: Watch, reading: Reading) -> Rungs:
    """A node runs out of memory. Replicas are replaced before it is rebooted; a compute host is rebooted at once.

    A node that carries services but neither replicas nor guests is left alone: a reboot would take all down.
    """
    config = watch.config
    for node in reading.of_kind("node"):
        available = watch.last(reading, node, "node_memory_MemAvailable_bytes", 4)
        if not watch.runs_out(reading, node, available) or reading.busy(node):
            continue
        watch.memory.starved[node] = watch.memory.now
        replicas = watch.replicas_of(reading, node)
        if replicas:
            reboot = Rung("reboot", node, "immediate", config.settle_reboot, replicas[0])
            yield ("memory", node), [*watch.relief(reading), reboot]
        elif _agents(reading, node):
            yield ("memory", node), [Rung("reboot", node, "immediate", config.settle_reboot)]


def loaded(watch: Watch, reading: Reading) -> Rungs:
    """Foreign threads take a replica's cores: a new container, then another place."""
    config = watch.config
    for replica in reading.of_kind("vllm"):
        node = watch.node_of(reading, replica)
        if node is None or not reading.present[replica]:
            continue
        if watch.lasts("loaded", replica, watch.overloaded(reading, node), config.sustained):
            yield (
                ("loaded", replica),
                [
                    Rung("recreate", replica, "immediate", config.settle_replica, replica, urgent=True),
                    Rung("migrate", replica, "immediate", config.settle_replica, replica, urgent=True),
                    Rung("reboot", node, "immediate", config.settle_reboot, replica),
                ],
            )


def head(watch: Watch, reading: Reading) -> Rungs:
    """Ray's head answers but does not do its work: a part of it hangs, is out of date, or was configured badly."""
    config = watch.config
    missing = any(not reading.present[r] for r in watch.known(reading))
    serving = watch.serving(reading)
    for i in reading.of_kind("ray-head"):
        queued = (reading.value(i, "ray_serve_deployment_queued_queries") or 0.0) > 0
        # A restart of the head costs every request of ten seconds; a missing replica alone may cost none.
        needed = queued or any(watch.suffers(reading, r) for r in serving)
        stuck = missing and needed and _stands_still(watch, reading, i)
        room = bool(serving) and all(_has_room(reading, r) for r in serving)
        idle = any(_idles(watch, reading, r) for r in serving) and any(watch.suffers(reading, r) for r in serving)
        again = Rung("restart", i, "immediate", config.settle)
        over = Rung("fail-over-head", i, "immediate", config.settle)
        if watch.lasts("stuck", i, stuck, config.sustained):
            yield ("stuck", i), [again, over]
        if watch.lasts("held back", i, queued and room, config.sustained):
            yield ("held back", i), [Rung("rollback-config", i, "immediate", config.settle), over]
        if watch.lasts("idle", i, idle, config.sustained):
            yield ("idle", i), [again]


def _stands_still(watch: Watch, reading: Reading, head: int) -> bool:
    """Whether Serve's controller, which starts dead replicas anew, makes no pass."""
    loops = reading.value(head, "ray_serve_controller_num_control_loops")
    return loops is not None and loops < watch.config.control_loops


def _has_room(reading: Reading, replica: int) -> bool:
    waiting = reading.value(replica, "vllm:num_requests_waiting")
    usage = reading.value(replica, "vllm:kv_cache_usage_perc")
    return waiting is not None and usage is not None and waiting < 2.0 and usage < 0.6


def _idles(watch: Watch, reading: Reading, replica: int) -> bool:
    """Whether a replica has been there for a while and gets nothing."""
    up = watch.memory.now - watch.memory.up_since.get(replica, watch.memory.now) > watch.config.settle
    return up and reading.value(replica, "vllm:num_requests_running") == 0.0


def failing(watch: Watch, reading: Reading) -> Rungs:
    """All parts answer and requests fail, or none is answered: what was rolled out to the gateway, or Ray's head.

    What a load limit of ours refuses does not count.
    """
    config = watch.config
    heads = [h for h in reading.of_kind("ray-head") if reading.present[h]]
    replicas = watch.known(reading)
    serving = len(watch.serving(reading)) >= config.least_serving * len(replicas)
    errors = sum(
        reading.value(h, f'ray_serve_num_http_error_requests_total{{error_code="{code}"}}') or 0.0
        for h in heads
        for code in (500, 503)
    )
    for gateway in reading.of_kind("nginx"):
        asked = reading.value(gateway, "nginx_http_requests_total") or 0.0
        bad = reading.value(gateway, 'nginx_http_response_count_total{status="5xx"}') or 0.0
        good = reading.value(gateway, 'nginx_http_response_count_total{status="2xx"}') or 0.0
        settled = all(watch.memory.quiet.get(i, 0.0) <= watch.memory.now for i in (gateway, *heads, *replicas))
        flooded = any(watch.suffers(reading, r) for r in replicas)  # then time-outs are no wonder
        usable = serving and settled and not flooded and watch.memory.now >= watch.memory.limited_until
        refused = usable and bad > 0.2 and bad > config.failing * (bad + good)
        mute = usable and asked >= 1.0 and bad + good == 0.0
        of_head = [
            Rung(category, h, "immediate", config.settle)
            for category in ("rollback-config", "fail-over-head")  # a redeploy is a restart as well
            for h in heads
        ]
        if watch.lasts("mute", gateway, mute, config.failing_decisions):
            yield ("mute", gateway), of_head
        if watch.lasts("failing", gateway, refused, config.failing_decisions):
            rollback = Rung("rollback-config", gateway, "immediate", config.settle)
            rungs = [*of_head, rollback] if errors > 0.5 * bad else [rollback, *of_head]
            yield ("failing at the head" if errors > 0.5 * bad else "failing", gateway), rungs


def queue(watch: Watch, reading: Reading) -> Rungs:
    """Requests suffer and there is nothing else to do about it: one more replica, and then fewer requests.

    Load is shed only where nothing is missing and nothing is coming: what is refused counts as failed too.
    """
    config, memory = watch.config, watch.memory
    replicas = watch.known(reading)
    missing = any(not reading.present[r] for r in replicas)
    coming = memory.now < memory.relieved_at + config.relief or any(
        memory.quiet.get(r, 0.0) > memory.now for r in replicas
    )
    for i in reading.of_kind("ray-head"):
        queued = (reading.value(i, "ray_serve_deployment_queued_queries") or 0.0) > 0
        ill = [r for r in replicas if watch.suffers(reading, r)]
        if watch.lasts("queue", i, queued or bool(ill), 1 if missing else config.queue_decisions):
            yield ("queue", i), watch.relief(reading) * 4
        flooded = bool(replicas) and 3 * len(ill) >= 2 * len(replicas) and not missing and not coming
        if watch.lasts("flooded", i, flooded, config.shed_decisions):
            limits = ("gentle", "immediate", "immediate", "immediate")
            gates = reading.of_kind("nginx")
            yield ("flooded", i), [Rung("shed-load", g, how, config.shed_settle) for how in limits for g in gates]
    for replica in replicas:
        thrashes = not coming and _thrashes(watch, reading, replica)
        if watch.lasts("thrash", replica, thrashes, config.shed_decisions):
            limit = Rung("limit-kv", replica, "gentle", config.settle_replica, replica)
            yield ("thrash", replica), [limit]


def _thrashes(watch: Watch, reading: Reading, replica: int) -> bool:
    """Whether requests are preempted all the time: the batch wants more KV blocks than there are."""
    return (reading.value(replica, "vllm:num_preemptions_total") or 0.0) > watch.config.thrashing
