"""moto's buckets as records of the state file, and back. Nobody is notified of what is restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from moto.s3 import models as s3_models

from .moto_objects import objects_lock
from .state import Bucket, Keep, Object

models: Any = s3_models

#: The kinds of targets that moto notifies, each with the name that it gives one.
_TARGETS = {"topic": "Topic", "queue": "Queue", "cloud_function": "CloudFunction"}


def saved_buckets(keep: Keep) -> list[Bucket]:
    """All buckets with their objects, as they are at one moment; `keep` takes each content."""
    with objects_lock():
        return [_saved(backend, bucket, keep) for backend, bucket in _buckets()]


def restore_buckets(saved: list[Bucket], content: Callable[[str], bytes]) -> None:
    """Make the buckets with their objects; one that is there already stays as it is."""
    with objects_lock():
        for each in saved:
            if each.name not in models.s3_backends.bucket_accounts:
                _restore(each, content)


def _buckets() -> Iterator[tuple[Any, Any]]:
    for account in list(models.s3_backends.values()):
        for backend in list(account.values()):
            yield from ((backend, bucket) for bucket in list(backend.buckets.values()))


def _saved(backend: Any, bucket: Any, keep: Keep) -> Bucket:
    return Bucket(
        account=bucket.account_id,
        partition=bucket.partition,
        region=bucket.region_name,
        name=bucket.name,
        created=bucket.creation_date,
        versioning=bucket.versioning_status,
        tags=backend.tagger.get_tag_dict_for_resource(bucket.arn),
        notifications=_saved_rules(bucket.notification_configuration),
        objects=[
            _saved_object(backend, version, keep)
            for _, versions in bucket.keys.iterlists()
            for version in versions
        ],
    )


def _saved_rules(configuration: Any) -> dict[str, Any] | None:
    if configuration is None:
        return None
    rules: dict[str, Any] = {
        kind: [
            {target: rule.arn, "Id": rule.id, "Event": rule.events, "Filter": rule.filters}
            for rule in getattr(configuration, kind)
        ]
        for kind, target in _TARGETS.items()
    }
    return {**rules, "event_bridge": configuration.event_bridge}


def _saved_object(backend: Any, version: Any, keep: Keep) -> Object:
    modified = version.last_modified.replace(tzinfo=UTC)
    if isinstance(version, models.FakeDeleteMarker):
        return Object(key=version.name, modified=modified, version=version.version_id)
    return Object(
        key=version.name,
        content=keep(version.value),
        modified=modified,
        version=version._version_id,
        etag=version.etag.strip('"'),
        metadata={name: str(value) for name, value in version.metadata.items()},
        storage_class=version.storage_class,
        checksum_algorithm=version.checksum_algorithm,
        checksum=version.checksum_value,
        tags=backend.tagger.get_tag_dict_for_resource(version.arn),
    )


def _restore(saved: Bucket, content: Callable[[str], bytes]) -> None:
    backend = models.s3_backends[saved.account][saved.partition]
    bucket = models.FakeBucket(saved.name, saved.account, saved.region)
    bucket.creation_date = saved.created
    bucket.versioning_status = saved.versioning
    # Set as it is: by a request, moto would send each target a test event.
    if saved.notifications is not None:
        bucket.notification_configuration = models.NotificationConfiguration(**saved.notifications)
    backend.buckets[saved.name] = bucket
    _tag(backend, bucket.arn, saved.tags)
    for each in saved.objects:
        _restore_object(backend, bucket, each, content)


def _restore_object(backend: Any, bucket: Any, saved: Object, content: Callable[[str], bytes]) -> None:
    modified: datetime = saved.modified.replace(tzinfo=None)
    if saved.content is None:
        mark = models.FakeDeleteMarker(bucket.keys.get(saved.key) or _object(bucket, saved, b""))
        mark.last_modified, mark._version_id = modified, saved.version
        bucket.keys[saved.key] = mark
        return
    version = _object(bucket, saved, content(saved.content))
    version.last_modified = modified
    version.checksum_algorithm = saved.checksum_algorithm
    version.set_metadata(dict(saved.metadata))
    bucket.keys[saved.key] = version
    _tag(backend, version.arn, saved.tags)


def _object(bucket: Any, saved: Object, content: bytes) -> Any:
    return models.FakeKey(
        saved.key,
        content,
        bucket.account_id,
        bucket.partition,
        storage=saved.storage_class,
        etag=saved.etag,
        is_versioned=saved.version not in (None, "null"),
        version_id=saved.version,
        bucket_name=bucket.name,
        checksum_value=saved.checksum,
    )


def _tag(backend: Any, arn: str, tags: dict[str, str]) -> None:
    if tags:
        backend.tagger.tag_resource(arn, [{"Key": key, "Value": value} for key, value in tags.items()])
