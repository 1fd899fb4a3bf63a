"""A small program, to be mutated."""

from __future__ import annotations

from typing import Any

from twin.openstack.oslo.flow import Flow


class NetworkAPI(Flow):
    source = "nova.network.neutron"

    def allocate(self, context: Any, ports: int, quota: bool = True) -> Any:
        yield from self._reserve(context, ports)
        return {"ports": ports, "quota": quota}

    def _reserve(self, context: Any, ports: int) -> Any:
        self.service.seen.append(("reserve", context, ports))
        yield self.clock.timeout(1.0)


class Manager(Flow):
    source = "nova.compute.manager"

    def __init__(self, service: Any) -> None:
        super().__init__(service)
        self.network_api = NetworkAPI(service)
        self.cache: dict[str, int] = {}
        self.cache.setdefault("a", 1)

    def build(self, context: Any, name: str, ports: int = 2) -> Any:
        self._note_start(context, name)
        info = yield from self.network_api.allocate(context, ports, quota=True)
        yield from self._spawn(context, name, self._size(ports))
        self._note_start(context, "again")
        return info

    def _note_start(self, context: Any, name: str) -> None:
        self.service.seen.append(("start", context, name))

    def _size(self, ports: int) -> int:
        if ports < 0:
            raise ValueError(ports)
        return 10 * ports

    def _spawn(self, context: Any, name: str, size: int = 7) -> Any:
        self.service.seen.append(("spawn", context, name, size))
        self.cache.get(name)
        yield from self._wait()

    def _wait(self) -> Any:
        yield self.clock.timeout(1.0)

    def __secret(self) -> str:
        return "secret"

    def tell(self) -> str:
        self._note_start(None, "tell")
        return self.__secret()


class BetterManager(Manager):
    source = "nova.compute.better"

    def tell(self) -> str:
        self._note_start(None, "better")
        return super().tell() + "!"
