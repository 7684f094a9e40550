"""What S3 refuses, as errors that say what is wrong and what to do; what any service refuses is in `errors`.

None of them is for ever: whoever asks again after the cause is mended gets an answer.
"""

from __future__ import annotations

from botocore.exceptions import ClientError, ParamValidationError

from ..errors import AccessDenied, BindingError, FunchostError, StoreError
from .errors import error_code, translated
from .settings import AwsSettings


class ObjectMissing(StoreError):
    """There is no such object."""


class BucketMissing(StoreError):
    """There is no such bucket."""


class ConditionFailed(StoreError):
    """The object is not, or no longer, as the condition asks."""


_DENIED = (
    "{connection} refuses access to {place}: its credentials need {action}, in their policy or the bucket's. "
    "Without s3:ListBucket an object that does not exist is refused, too."
)
_REGION = "{place} is in another region{region} than {connection} says; set {setting}__region."
_ANSWERS: dict[type[FunchostError], dict[str, str]] = {
    ObjectMissing: dict.fromkeys(("404", "NoSuchKey"), "{place} does not exist."),
    BucketMissing: {
        "NoSuchBucket": "{connection} has no bucket for {place}; create it, or correct its name.",
    },
    ConditionFailed: dict.fromkeys(
        ("412", "PreconditionFailed", "ConditionalRequestConflict"),
        "{place} was changed by somebody else meanwhile.",
    ),
    AccessDenied: {
        **dict.fromkeys(("403", "AccessDenied", "AllAccessDisabled", "AccountProblem"), _DENIED),
        "BucketAlreadyExists": "The bucket of {place} belongs to another account; choose another name.",
    },
    StoreError: {
        **dict.fromkeys(("301", "PermanentRedirect", "AuthorizationHeaderMalformed"), _REGION),
        "IllegalLocationConstraintException": _REGION,
        "400": "{connection} refuses {place} and does not say why; have the credentials expired?",
        "RequestTimeTooSkewed": "{connection} refuses {place}: the clock of this machine is wrong; set it.",
    },
    BindingError: {
        "InvalidObjectState": "{place} is archived; restore it before it is read.",
        "KeyTooLongError": "The name of {place} is too long for S3: it takes 1024 bytes.",
        "MetadataTooLarge": "The metadata of {place} is over 2 KB, which is all that S3 takes.",
        "EntityTooLarge": "{place} would be larger than S3 takes.",
    },
}

#: The permission that an operation needs, where it is not called like the operation.
_ACTIONS = {
    "HeadObject": "GetObject",
    "ListObjectsV2": "ListBucket",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}


def s3_error(error: Exception, place: str, settings: AwsSettings) -> FunchostError:
    """The error for people for what went wrong when something was to be done with `place`."""
    if isinstance(error, ParamValidationError):
        return BindingError(f"S3 cannot take this for {place}: {error}")
    if isinstance(error, ClientError):
        code = error_code(error)
        for kind, sentences in _ANSWERS.items():
            if code in sentences:
                return kind(_filled(sentences[code], error, place, settings))
    return translated(error, settings)


def code_of(error: FunchostError) -> str:
    """What S3 called it that became this error; empty when it was not S3 that refused."""
    cause = error.__cause__
    return (error_code(cause) or "") if isinstance(cause, Exception) else ""


def _filled(sentence: str, error: ClientError, place: str, settings: AwsSettings) -> str:
    action = _ACTIONS.get(error.operation_name, error.operation_name)
    return sentence.format(
        place=place,
        connection=f"The connection '{settings.name}' ({settings.place})",
        setting=settings.name,
        action=f"s3:{action}",
        region=_right_region(error),
    )


def _right_region(error: ClientError) -> str:
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region")
    return f" ({region})" if region else ""
