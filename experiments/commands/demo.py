"""To come."""


def command() -> None:
    """To come."""
