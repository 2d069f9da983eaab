"""Baseline for the start: BentoML with two services that do nothing."""

import bentoml


@bentoml.service
class Inner:
    """Called by nobody."""

    @bentoml.api
    def nothing(self) -> None:
        """Nothing."""


@bentoml.service
class Outer:
    """The one that is asked whether it is up."""

    inner = bentoml.depends(Inner)

    @bentoml.api
    def nothing(self) -> None:
        """Nothing."""
