"""Calls to DMS. A throttled or unanswered call is tried again; every error is one sentence without credentials."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from reload_assets.dms.polling import PollLimits
from reload_assets.errors import DmsRefusal
from reload_assets.errors.dms import (
    DmsAccessDenied,
    DmsCallInvalid,
    DmsCredentialsMissing,
    DmsCredentialsRefused,
    DmsNotFound,
    DmsRefused,
    DmsThrottled,
    DmsUnanswered,
)
from reload_assets.retries import try_again

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

NOT_FOUND = "ResourceNotFoundFault"
ALREADY_EXISTS = "ResourceAlreadyExistsFault"
# botocore's model of DMS lacks some of these, so the code compares names and not exception classes.
WRONG_STATE = frozenset({"InvalidResourceStateFault", "InvalidParameterCombinationException"})
_THROTTLED = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "SlowDown",
    }
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_UNKNOWN_KEYS = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AccessDeniedFault", "UnauthorizedOperation"})


class _Passing(Exception):
    """A call failed and may work if it is sent again. The text says what happened, unless it was ``throttled``."""

    def __init__(self, text: str, *, throttled: bool = False) -> None:
        super().__init__(text)
        self.throttled = throttled


def clean(text: str) -> str:
    """Return another program's text, to be quoted in a sentence of ours: one line, no final full stop, no passwords."""
    text = re.sub(r"//[^/@\s]*@", "//", text)
    text = re.sub(r"(?i)((?:password|pwd|secret\w*|token)\s*[=:]\s*)[^\s;,&]+", r"\1***", text)
    return " ".join(text.split()).rstrip(". ")


class DmsCalls:
    """Makes calls with one boto3 client, within the limits."""

    def __init__(self, client: Any, limits: PollLimits) -> None:
        self._client = client
        self._limits = limits
        self._place = f"DMS at {clean(client.meta.endpoint_url)} ({client.meta.region_name})"

    def call(self, operation: str, doing: str, **request: Any) -> dict[str, Any]:
        """Call ``operation`` (its boto3 name); ``doing`` says in errors what the call was for.

        A call whose answer was lost is sent again, so callers must expect that the first one had its effect already.
        Raises DmsUnreachable if no attempt was answered or all were throttled, DmsRefusal if DMS answered with an
        error, DmsError if nothing could be sent.
        """
        attempts = self._limits.call_attempts
        try:
            return try_again(lambda: self._send(operation, doing, request), _Passing, self._limits.calling, attempts)
        except _Passing as trouble:
            if trouble.throttled:
                raise DmsThrottled(self._place, doing, attempts) from None
            raise DmsUnanswered(self._place, str(trouble), attempts) from None

    def _send(self, operation: str, doing: str, request: dict[str, Any]) -> dict[str, Any]:
        # Imported here, where a client exists already: code that only imports this module does not need botocore.
        from botocore import exceptions

        no_credentials = (
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.CredentialRetrievalError,
            exceptions.TokenRetrievalError,
            exceptions.SSOError,
        )
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**request)
            return answer
        except exceptions.ClientError as error:
            if not _is_passing(error):
                raise self._refusal(error, doing) from None
            trouble = f"answered with HTTP {_status(error)} when {doing}; try again later"
            raise _Passing(trouble, throttled=_is_throttled(error)) from None
        except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
            raise _Passing(
                f"did not answer when {doing}: {clean(str(error))}; check endpoint_url and the network"
            ) from None
        except no_credentials as error:
            raise DmsCredentialsMissing(self._place, doing, clean(str(error))) from None
        except exceptions.BotoCoreError as error:
            raise DmsCallInvalid(self._place, doing, clean(str(error))) from None

    def member(self, answer: dict[str, Any], name: str, doing: str) -> Any:
        """Return a member that every answer of DMS has. Raises DmsError if it is missing.

        botocore reads an answer that is not JSON as an empty answer, which must not look like "there is no such task".
        """
        if name not in answer:
            raise DmsUnanswered(self._place, f"gave an answer without {name} when {doing}; check endpoint_url", 1)
        return answer[name]

    def pages(
        self, operation: str, member: str, doing: str, page_size: int, **request: Any
    ) -> Iterator[dict[str, Any]]:
        """Return every item of a list that DMS returns in pages."""
        request["MaxRecords"] = page_size
        while True:
            answer = self.call(operation, doing, **request)
            yield from self.member(answer, member, doing)
            if not answer.get("Marker"):
                return
            request["Marker"] = answer["Marker"]

    def found(
        self, operation: str, member: str, doing: str, page_size: int = 100, **request: Any
    ) -> list[dict[str, Any]]:
        """Return the items that match. DMS answers with an error if none does; this returns an empty list."""
        try:
            return list(self.pages(operation, member, doing, page_size, **request))
        except DmsRefusal as refusal:
            if refusal.fault == NOT_FOUND:
                return []
            raise

    def _refusal(self, error: ClientError, doing: str) -> DmsRefusal:
        fault = str(error.response.get("Error", {}).get("Code", ""))
        said = clean(str(error.response.get("Error", {}).get("Message", ""))) or "no reason given"
        if fault in _EXPIRED:
            sentence = f"{self._place} refused the session token when {doing}: it has expired; renew it."
            return DmsCredentialsRefused(sentence, fault)
        if fault in _UNKNOWN_KEYS:
            sentence = f"{self._place} refused the credentials when {doing}: {said} ({fault}); check keys and region."
            return DmsCredentialsRefused(sentence, fault)
        if fault in _DENIED:
            sentence = f"{self._place} denied access when {doing}: {said} ({fault}); grant the role that DMS action."
            return DmsAccessDenied(sentence, fault)
        if fault == NOT_FOUND:
            sentence = f"{self._place} found nothing when {doing}: {said} ({fault}); check the ARN and the region."
            return DmsNotFound(sentence, fault)
        return DmsRefused(f"{self._place} refused when {doing}: {said} ({fault}).", fault)


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _is_passing(error: ClientError) -> bool:
    return _is_throttled(error) or _status(error) >= 500


def _is_throttled(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") in _THROTTLED
