"""The network between components: what delays, loses or cuts off messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twin.components import Component

if TYPE_CHECKING:
    from twin.world import World


class Network:
    """Delivers messages between components. A healthy path delivers at once."""

    def __init__(self, world: World) -> None:
        self.world = world

    def deliver(self, source: Component, target: Component, arrive: Callable[[], None]) -> None:
        """Call `arrive` when a message from `source` has reached `target`; in order on each pair."""
        arrive()
