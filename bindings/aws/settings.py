"""What a connection to AWS says: where it leads, and nothing secret."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSettings:
    """One connection. Credentials are never among its settings: boto3 finds them by its own chain."""

    #: The name that function.json gives it, for messages.
    name: str
    #: None leaves it to the environment and to the AWS configuration files.
    region: str | None = None
    #: Of an emulator, or of another service that speaks the protocol; None is AWS itself.
    endpoint_url: str | None = None
    #: A profile of the AWS configuration files.
    profile: str | None = None
    #: The bucket for what the host itself keeps.
    bucket: str | None = None
    #: Stands before every queue's name.
    queue_prefix: str = ""
    #: Whether a queue that a message is sent to is made when it is missing.
    create_queues: bool = False

    @property
    def place(self) -> str:
        """Where it leads, for people."""
        return self.endpoint_url or (f"AWS in {self.region}" if self.region else "AWS")
