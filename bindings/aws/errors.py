"""What boto3 raises, as errors of funchost that say what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import (
    AccessDenied,
    BindingError,
    ConfigurationError,
    FunchostError,
    QueueMissing,
    ReceiptLost,
    StoreError,
)
from .settings import AwsSettings

_MISSING = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_LOST = ("ReceiptHandleIsInvalid", "MessageNotInflight")
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "InvalidSecurity",
        "KMS.AccessDeniedException",
        "KmsAccessDenied",
    }
)
_PASSING = frozenset({"OverLimit", "RequestLimitExceeded", "RequestTimeout", "TooManyRequestsException"})
_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "MissingAuthenticationToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


def translated(error: Exception, settings: AwsSettings) -> FunchostError:
    """The error for people: `QueueMissing`, `AccessDenied` (credentials too), `StoreError` for what passes by
    itself, and `BindingError` for a request that the service will never accept."""
    if isinstance(error, FunchostError):
        return error
    code = error_code(error)
    if code:
        return _of_service(error, code, settings)
    return _of_client(error, settings)


def error_code(error: Exception) -> str | None:
    """The code that a service answered with; None for an error on this side."""
    response: Any = getattr(error, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None


def _of_service(error: Exception, code: str, settings: AwsSettings) -> FunchostError:
    where = f"The connection '{settings.name}' ({settings.place})"
    if code in _MISSING:
        return QueueMissing(f"{where} has no such queue.")
    if code in _DENIED:
        return AccessDenied(f"{where} refuses this: {_said(error)}")
    if code in _CREDENTIALS:
        return AccessDenied(
            f"{where} does not accept the credentials ({code}). Renew them where boto3 finds them: the "
            "environment, a profile, or the role of this machine."
        )
    message = f"{where} answered {code}: {_said(error)}"
    return StoreError(message) if _may_pass(error, code) else BindingError(message)


def _may_pass(error: Exception, code: str) -> bool:
    """Whether it is the service's trouble: too many calls, or what it calls an error of its own."""
    response: Any = getattr(error, "response", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return status >= 500 or status == 429 or "Throttl" in code or code in _PASSING


def _of_client(error: Exception, settings: AwsSettings) -> FunchostError:
    # By name: this module is there without boto3 too.
    kind = type(error).__name__
    where = f"The connection '{settings.name}'"
    if kind in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        return AccessDenied(
            f"{where} has no credentials: {error}. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the "
            f"host's environment, or name a profile with {settings.name}__profile."
        )
    if kind in ("TokenRetrievalError", "UnauthorizedSSOTokenError", "SSOTokenLoadError"):
        return AccessDenied(f"{where} has no valid session: {error}. Sign in with `aws sso login`.")
    if kind == "NoRegionError":
        return ConfigurationError(
            f"{where} names no region. Set {settings.name}__region, or AWS_REGION in the environment.",
            key=f"{settings.name}__region",
        )
    if kind == "ProfileNotFound":
        return ConfigurationError(
            f"{where} names the profile '{settings.profile}', which the AWS configuration files do not hold.",
            key=f"{settings.name}__profile",
        )
    return StoreError(f"{where} ({settings.place}) cannot be used: {error}")


def _said(error: Exception) -> str:
    response: Any = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Message") or error)


class Unprocessed(StoreError):
    """An entry of a batch failed by no fault of its own, and may be tried again."""


def failure_of(failure: Mapping[str, Any], queue: str) -> FunchostError:
    """The error for an entry of a batch that was not accepted: `Unprocessed`, `ReceiptLost`, or `BindingError`."""
    code, said = failure.get("Code", ""), failure.get("Message", "")
    if code.endswith(_LOST) or "receipt handle" in said.lower():
        return ReceiptLost()
    if not failure.get("SenderFault") or "Throttl" in code:
        return Unprocessed(f"The queue '{queue}' did not do it ({code}): {said}")
    return BindingError(f"The queue '{queue}' refuses it ({code}): {said}")
