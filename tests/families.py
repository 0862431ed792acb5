"""The tabular families that need nothing but rows."""

from __future__ import annotations

from automl.hooks import architectures
from automl.task import Architecture


def self_taught() -> dict[str, Architecture]:
    """Without those that begin with weights of others, of which a test has none unless it makes them."""
    return {name: family for name, family in architectures("tabular").items() if not family.pretrained}
