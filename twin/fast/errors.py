"""What goes wrong with arrays: what cannot be compiled, and numbers that are none."""

from __future__ import annotations


class FastError(ValueError):
    """Of the fast twin."""


class CompileError(FastError):
    """Scenarios that no fast twin can hold together, or one that it cannot hold."""


class NotCompiledError(CompileError):
    """Something of a scenario that the fast twin does not have."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the fast twin does not have {what}; `healtwin fast coverage` lists what it has")
        self.what = what


class NotANumberError(FastError):
    """A quantity of a component became NaN, or infinite where it may not be."""

    def __init__(self, component: str, quantity: str, tick: int, scenario: str, seed: int, given: str = "") -> None:
        cause = f"; the episode's own `{given}` has one" if given else ""
        super().__init__(f"{scenario}, seed {seed}: `{quantity}` of {component} is no number at tick {tick}{cause}")
        self.component, self.quantity, self.tick = component, quantity, tick
        self.scenario, self.seed = scenario, seed
