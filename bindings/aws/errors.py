"""What boto3 raises, as errors of funchost that say what is wrong and what to do.

The sentence for a trouble is the same for as long as the trouble is: nothing in it changes with each call, so that
whoever shows it can tell whether it is news.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

# Codes of services, without what stands before a point and without "Exception".
_MISSING = frozenset({"NonExistentQueue", "QueueDoesNotExist"})
_LOST = ("ReceiptHandleIsInvalid", "MessageNotInflight")
_DENIED = frozenset(
    {
        "AccessDenied",
        "AuthFailure",
        "InvalidSecurity",
        "KmsAccessDenied",
        "NotAuthorized",
        "OptInRequired",
        "UnauthorizedOperation",
    }
)
_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignature",
        "InvalidToken",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClient",
    }
)
#: Said of a clock that is wrong, or of a signature, with one of `_OUT_OF_TIME`.
_CLOCK = frozenset({"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"})
_OUT_OF_TIME = ("signature expired", "signature not yet current")
_KEY = frozenset(
    {
        "Disabled",
        "KmsDisabled",
        "KmsInvalidKeyUsage",
        "KmsInvalidState",
        "KmsNotFound",
        "KmsOptInRequired",
    }
)
_TOO_MANY = frozenset(
    {
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "SlowDown",
        "TooManyRequests",
    }
)
_PASSING = frozenset({"OverLimit", "RequestTimeout", "TransactionInProgress"})

_RENEW = "Renew them where boto3 finds them: the environment, a profile, or the role of this machine."

# Exceptions of boto3, by name: this module is there without boto3 too.
_NO_CREDENTIALS = frozenset({"NoAuthTokenError", "NoCredentialsError", "PartialCredentialsError"})
_NO_SESSION = frozenset(
    {
        "LoginAuthorizationCodeError",
        "LoginError",
        "LoginInsufficientPermissions",
        "LoginRefreshRequired",
        "LoginTokenLoadError",
        "SSOError",
        "SSOTokenLoadError",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
    }
)
_NO_SOURCE = frozenset({"CredentialRetrievalError", "MetadataRetrievalError"})
_NO_SUCH_REGION = frozenset(
    {
        "EndpointProviderError",
        "EndpointResolutionError",
        "InvalidRegionError",
        "UnknownEndpointError",
        "UnknownRegionError",
    }
)
_FILES = frozenset(
    {
        "ConfigNotFound",
        "ConfigParseError",
        "InfiniteLoopConfigError",
        "InvalidConfigError",
        "MissingDependencyException",
        "UnknownCredentialError",
    }
)
_SILENT = frozenset({"ConnectTimeoutError", "ReadTimeoutError"})
_BROKEN_OFF = frozenset({"ConnectionClosedError", "IncompleteReadError", "ResponseStreamingError"})


class CredentialsRefused(AccessDenied):
    """The credentials are missing, over, or not known: others may be found where these were."""


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
    kind, said, where = _kind(code), _said(error), settings.named
    if kind in _MISSING:
        return QueueMissing(f"{where} has no such queue.")
    if kind in _CLOCK or any(words in said.lower() for words in _OUT_OF_TIME):
        return StoreError(f"{where} refuses what is dated so: the clock of this machine is wrong. Set it.")
    if kind in _CREDENTIALS:
        return CredentialsRefused(f"{where} does not accept the credentials ({code}). {_RENEW}")
    if kind in _DENIED:
        return AccessDenied(
            f"{where} refuses this: {_ended(said)} Allow it in a policy of these credentials."
        )
    if kind in _KEY or code.startswith("KMS."):
        return AccessDenied(f"{where} cannot use the key that encrypts this ({code}): {_ended(said)}")
    if kind in _TOO_MANY or "Throttl" in code:
        return StoreError(f"{where} takes no more calls for now ({code}); they are made again with pauses.")
    status = _status(error)
    if status >= 500 or status == 429 or kind in _PASSING:
        return StoreError(f"{where} has troubles of its own ({code}), which should pass: {_ended(said)}")
    if code.isdecimal():
        return StoreError(f"{where} answers HTTP {code} and does not say why; is there a proxy before it?")
    return BindingError(f"{where} refuses this ({code}): {_ended(said)}")


def _of_client(error: Exception, settings: AwsSettings) -> FunchostError:
    kind, name, where = type(error).__name__, settings.name, f"The connection '{settings.name}'"
    if kind in _NO_CREDENTIALS:
        return CredentialsRefused(
            f"{where} has no credentials: {_ended(error)} Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the "
            f"host's environment, or name a profile with {name}__profile."
        )
    if kind in _NO_SESSION:
        return CredentialsRefused(
            f"{where} has no valid session: {_ended(error)} Sign in with `aws sso login`."
        )
    if kind in _NO_SOURCE:
        return CredentialsRefused(f"{where} cannot get its credentials: {_ended(error)} {_RENEW}")
    if kind == "NoRegionError":
        return ConfigurationError(
            f"{where} names no region. Set {name}__region, or AWS_REGION in the host's environment.",
            key=f"{name}__region",
        )
    if kind in _NO_SUCH_REGION:
        return ConfigurationError(
            f"{where} names a region that cannot be used: {_ended(error)} Correct {name}__region.",
            key=f"{name}__region",
        )
    if kind == "ProfileNotFound":
        return ConfigurationError(
            f"{where} names the profile '{settings.profile}', which the AWS configuration files do not hold.",
            key=f"{name}__profile",
        )
    if kind in _FILES:
        return ConfigurationError(
            f"{where} finds AWS configuration files that cannot be used: {_ended(error)}"
        )
    if kind == "ParamValidationError":
        return BindingError(f"{where} cannot ask for this: {_ended(error)}")
    return _of_network(error, kind, settings)


def _of_network(error: Exception, kind: str, settings: AwsSettings) -> FunchostError:
    where = settings.named
    if kind in _SILENT:
        return StoreError(f"{where} gets no answer in time. Check the network.")
    if kind == "EndpointConnectionError":
        host = _host(error)
        if any("NameResolution" in type(each).__name__ for each in _causes(error)):
            return StoreError(
                f"{where} cannot be reached: there is no '{host}' to be found. Check the network (DNS) and the region."
            )
        return StoreError(
            f"{where} cannot be reached: nothing takes connections at {host}. Check the network."
        )
    if kind == "ProxyConnectionError":
        return StoreError(f"{where} cannot be reached through the proxy: {_ended(error)} Check HTTPS_PROXY.")
    if kind == "SSLError":
        return StoreError(
            f"{where} shows a certificate that is not trusted, or speaks no TLS. Where a proxy shows one of its own, set "
            "AWS_CA_BUNDLE; where the clock of this machine is wrong, set it."
        )
    if kind in _BROKEN_OFF:
        return StoreError(broken_off(settings))
    return StoreError(f"{where} cannot be used: {_ended(error)}")


def broken_off(settings: AwsSettings) -> str:
    """What to say of an answer that is not whole."""
    return f"{settings.named} broke off before its answer was whole. Check the network."


def _kind(code: str) -> str:
    return code.rpartition(".")[2].removesuffix("Exception")


def _status(error: Exception) -> int:
    response: Any = getattr(error, "response", {})
    status: int = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return status


def _said(error: Exception) -> str:
    response: Any = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Message") or error)


def _ended(said: object) -> str:
    """What somebody else said, as a sentence of ours."""
    text = " ".join(str(said).split())
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _host(error: Exception) -> str:
    from urllib.parse import urlsplit

    url = str(getattr(error, "kwargs", {}).get("endpoint_url", ""))
    return urlsplit(url).netloc or url


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The errors that stand behind this one, as far as boto3 hands them on."""
    seen: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            waiting += [one.__cause__, one.__context__, getattr(one, "reason", None)]
            waiting.append(getattr(one, "kwargs", {}).get("error"))
    return iter(seen)


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
