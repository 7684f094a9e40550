"""A trigger whose service is not spoken here: its function runs only by hand."""

from __future__ import annotations

from .fields import UnservedFields
from .manual import ManualTrigger


class UnservedTrigger(ManualTrigger):
    """Stands in for any type that Azure knows and this host does not serve, such as `eventHubTrigger`: a run by hand
    brings the data as the service would have."""

    Fields = UnservedFields
