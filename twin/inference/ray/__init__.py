"""The parts of Ray's head: GCS, Serve controller, HTTP proxy, and the handle with which it routes to replicas."""

from twin.inference.ray.controller import Controller
from twin.inference.ray.gcs import Gcs
from twin.inference.ray.handle import Handle
from twin.inference.ray.proxy import Proxy

__all__ = ["Controller", "Gcs", "Handle", "Proxy"]
