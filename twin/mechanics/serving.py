"""Constants of Ray Serve, Ray's GCS, nginx and the model store. Seconds unless said otherwise.

Ray's are the defaults of its source (`serve/_private/constants.py`, `ray_config_def.h`), nginx's those of its
documentation (`ngx_http_proxy_module`, `ngx_http_upstream_module`, `ngx_http_limit_req_module`).
"""

from __future__ import annotations

import math

# --- Ray Serve --------------------------------------------------------------------------------------------------

CONTROL_LOOP_INTERVAL = 0.1
"""Pause between two passes of the Serve controller's loop: what it learns it acts on at the next pass."""

HEALTH_CHECK_PERIOD = 10.0
"""Between the starts of two health checks of a replica, varied by +-10 % so that replicas do not fall in step."""

HEALTH_CHECK_TIMEOUT = 30.0
HEALTH_CHECK_FAILURES = 3
"""Failures in a row after which a replica is unhealthy."""

GRACEFUL_SHUTDOWN_TIMEOUT = 20.0
"""How long a replica being stopped may finish its requests before it is killed."""

GRACEFUL_SHUTDOWN_POLL = 2.0

PROXY_CHECK_PERIOD = 10.0
PROXY_CHECK_TIMEOUT = 10.0
PROXY_CHECK_FAILURES = 3
PROXY_START = 3.0
"""Start of a proxy actor (assumed: a Python process with Ray's imports)."""

HEAD_START = 12.0
"""Start of the GCS, the Serve controller and its proxy (assumed)."""

QUEUE_LENGTH_DEADLINE = 0.1
"""How long the router waits for a replica's queue length; doubled with every attempt up to the maximum."""

QUEUE_LENGTH_DEADLINE_MAX = 1.0
QUEUE_LENGTH_CACHE = 10.0
"""Age at which a cached queue length is no longer used."""

ROUTER_BACKOFF = (0.0, 0.025, 0.05, 0.1, 0.2, 0.4, 0.5)
"""Pauses before the router tries again to find a replica; the last one repeats."""

GCS_RPC_TIMEOUT = 3.0
"""After which the controller gives a call of the GCS up."""

NODE_CHECK_PERIOD = 3.0
NODE_CHECK_TIMEOUT = 10.0
NODE_CHECK_FAILURES = 5
"""The GCS pings every node's raylet; after this many failures in a row the node is dead and all actors on it."""

CONTROL_LOOP_SECONDS = 0.005
"""What a pass of the controller takes when the GCS answers (assumed; a few deployments)."""

SLOW_START = 30.0
"""A replica that takes longer to start is complained about, and again after as long (SERVE_SLOW_STARTUP_WARNING_S)."""

LATENCY_BUCKETS_MS = (
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 300.0, 400.0, 500.0,
    1e3, 2e3, 5e3, 1e4, 6e4, 1.2e5, 3e5, 6e5,
)  # fmt: skip
"""Ray Serve's DEFAULT_LATENCY_BUCKET_MS (assumed for starts and shutdowns of replicas too, which have their own)."""

DEPLOYMENT_HEALTHY, DEPLOYMENT_UNHEALTHY = 6.0, 2.0
"""Values of `serve_deployment_status`."""

APPLICATION_RUNNING, APPLICATION_UNHEALTHY = 4.0, 5.0
"""Values of `serve_application_status`."""

PROXY_HEALTHY, PROXY_UNHEALTHY = 2.0, 3.0
"""Values of `serve_proxy_status` (assumed: numbered from 1 in the order starting, healthy, unhealthy, draining)."""


def next_pass(now: float) -> float:
    """The next pass of the controller's loop after `now`, on a grid of 0.1 s."""
    return (math.floor(now / CONTROL_LOOP_INTERVAL + 1e-9) + 1) * CONTROL_LOOP_INTERVAL


def router_backoff(attempt: int) -> float:
    """Seconds before the router's attempt number `attempt` (0: the first)."""
    return ROUTER_BACKOFF[min(attempt, len(ROUTER_BACKOFF) - 1)]


def queue_length_deadline(attempt: int) -> float:
    """Seconds within which a replica must say its queue length at that attempt."""
    return min(QUEUE_LENGTH_DEADLINE * 2.0**attempt, QUEUE_LENGTH_DEADLINE_MAX)


# --- nginx ------------------------------------------------------------------------------------------------------

CONNECT_TIMEOUT = 60.0
READ_TIMEOUT = 60.0
"""The longest gap between two reads from the upstream: every chunk of a stream begins it anew."""

MAX_FAILS = 1
FAIL_TIMEOUT = 10.0
"""A peer with `MAX_FAILS` failures within `FAIL_TIMEOUT` is left out for `FAIL_TIMEOUT`, unless it is the only one."""

WORKER_CONNECTIONS = 1024
"""Of one worker, to clients and upstreams together (nginx's packaged nginx.conf; the built-in default is 512)."""

RATE_LIMIT_BURST = 10
"""`burst` of limit_req, with `nodelay` (assumed; the default 0 would refuse half of a Poisson stream at its mean)."""

NGINX_START = 1.0

# --- model store ------------------------------------------------------------------------------------------------

STORE_BANDWIDTH = 3.125e9
"""Bytes/s that the store can send in all (assumed: 25 Gbit/s)."""

CLIENT_BANDWIDTH = 1.25e9
"""Bytes/s that one client can receive (assumed: 10 Gbit/s)."""

FETCH_BACKOFF = (1.0, 2.0, 4.0, 8.0, 8.0)
"""Pauses between attempts of a download (huggingface_hub's http_backoff: 1 s doubled to 8 s, 5 retries)."""

FETCH_TIMEOUT = 10.0
"""After which an attempt to connect is given up (HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT)."""

STORE_LONGEST_STALL = 10.0
"""After which a client notices that nothing comes any more (HF_HUB_DOWNLOAD_TIMEOUT)."""

STORE_START = 5.0
"""Start of the store (assumed: a single Go binary that checks its drives)."""

IMAGE_BYTES = 9.5e9
"""Compressed size of the serving image (assumed: vllm/vllm-openai and rayproject/ray-llm images are 8-11 GB)."""
