"""A service that runs the sample program."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import simpy

from twin.openstack.mutation.mutants import Mutants
from twin.openstack.mutation.sites import CallSite, sites_in
from twin.streams import Streams

SAMPLE = Path(__file__).with_name("sample_flows.py")


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    """The module of the sample program."""
    spec = importlib.util.spec_from_file_location("sample_flows", SAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def at(sample: ModuleType) -> dict[str, CallSite]:
    """The sample's sites by the end of their id: ``Manager.build/self._spawn``."""
    return {".".join(site.id.split(".")[3:]): site for site in sites_in(sample, "twin.openstack.nova")}


class Service(SimpleNamespace):
    """Just enough of a service to run flows."""

    def run(self, steps: Any) -> Any:
        """Run a generator of the program to its end; its value."""
        return self.clock.run(self.clock.process(steps))


@pytest.fixture
def service() -> Service:
    clock = simpy.Environment()
    site = SimpleNamespace(mutated=False)
    world = SimpleNamespace(streams=Streams(3), now=0.0)
    service = Service(name="nova-compute", clock=clock, site=site, world=world, flows=[], seen=[], conditions=[])
    service.mutants = Mutants(service)
    return service
