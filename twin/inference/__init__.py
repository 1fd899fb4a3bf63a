"""The LLM-inference cluster: nginx, Ray Serve, vLLM replicas, GPUs, nodes."""

from twin.components import Component
from twin.inference.cluster import build
from twin.inference.gateway import Gateway
from twin.inference.gpu import Gpu
from twin.inference.output_check import OutputCheck
from twin.inference.replica import Replica
from twin.inference.router import Router
from twin.inference.store import ModelStore
from twin.node import Node

KINDS: tuple[type[Component], ...] = (Gateway, Router, Replica, Gpu, Node, ModelStore, OutputCheck)
"""Component kinds of this cluster."""

__all__ = ["KINDS", "build"]
