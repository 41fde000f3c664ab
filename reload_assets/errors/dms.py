"""Errors of DMS: its API, its endpoints, and the tasks that load."""

from __future__ import annotations

from collections.abc import Sequence

from reload_assets.errors import DmsError, DmsRefusal, DmsUnreachable, LoadFailed, MappingError, sample

_PLACE = "DMS at https://dms.eu-west-1.amazonaws.com (eu-west-1)"
_DOING = "creating the task reload-sales-7-a1b2c3"
_INSTANCE = "arn:aws:dms:eu-west-1:123456789012:rep:ABCDEFGH"


class DmsClientInvalid(DmsError):
    """The DMS client cannot be made from the region, the endpoint URL and the keys; nothing was sent."""

    code = "dms-client-invalid"
    advice = "Fix `dms.region` and `dms.endpoint_url`; give an access key with its secret, or neither."
    example = sample(problem="Invalid endpoint: dms.example", fix="check region, endpoint_url, profile and keys")

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(f"The DMS client cannot be made: {problem}; {fix}.")


class DmsCredentialsMissing(DmsError):
    """No AWS credentials were found, so the call was not sent."""

    code = "dms-credentials-missing"
    advice = "Give the process a role, a profile or keys (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`)."
    example = sample(place=_PLACE, doing=_DOING, reason="Unable to locate credentials")

    def __init__(self, place: str, doing: str, reason: str) -> None:
        super().__init__(
            f"{place} was not called when {doing}, because there are no AWS credentials: {reason}; set keys, a profile "
            "or a role."
        )


class DmsCallInvalid(DmsError):
    """AWS's client library refused to send a call."""

    code = "dms-call-invalid"
    advice = "Fix what the library names. If the call looks right, the library may be older than DMS's API: upgrade it."
    example = sample(place=_PLACE, doing=_DOING, reason="Parameter validation failed")

    def __init__(self, place: str, doing: str, reason: str) -> None:
        super().__init__(f"{place} was not called when {doing}: {reason}; fix that and try again.")


class DmsUnanswered(DmsUnreachable):
    """No attempt got a usable answer: no connection, a timeout, HTTP 5xx, or an answer that is not from DMS."""

    code = "dms-unanswered"
    advice = "Check `dms.endpoint_url` and the network. The step is retried automatically, up to three times."
    example = sample(place=_PLACE, trouble=f"answered with HTTP 503 when {_DOING}; try again later", attempts=4)

    def __init__(self, place: str, trouble: str, attempts: int) -> None:
        super().__init__(f"{place} {trouble} (attempts: {attempts}).")


class DmsThrottled(DmsUnreachable):
    """DMS throttled every attempt of a call."""

    code = "dms-throttled"
    advice = "Run fewer loads at once, or raise `dms.polling.interval_seconds`."
    example = sample(place=_PLACE, doing=_DOING, attempts=4)

    def __init__(self, place: str, doing: str, attempts: int) -> None:
        super().__init__(
            f"{place} throttled every attempt when {doing}; run fewer loads at once or poll less often "
            f"(attempts: {attempts})."
        )


class DmsCredentialsRefused(DmsRefusal):
    """DMS does not accept the credentials, or the session token has expired."""

    code = "dms-credentials-refused"
    advice = "Renew the session, or check the keys and the region."
    example = sample(
        sentence=f"{_PLACE} refused the session token when {_DOING}: it has expired; renew it.", fault="ExpiredToken"
    )


class DmsAccessDenied(DmsRefusal):
    """The role lacks the permission for a DMS action."""

    code = "dms-access-denied"
    advice = "Grant the role the action that the message names."
    example = sample(
        sentence=f"{_PLACE} denied access when {_DOING}: User is not authorized to perform "
        "dms:CreateReplicationTask (AccessDeniedFault); grant the role that DMS action.",
        fault="AccessDeniedFault",
    )


class DmsNotFound(DmsRefusal):
    """DMS has no resource with the ARN of a call."""

    code = "dms-not-found"
    advice = "Check the ARN, the account and the region."
    example = sample(
        sentence=f"{_PLACE} found nothing when {_DOING}: No endpoint found (ResourceNotFoundFault); check the ARN and "
        "the region.",
        fault="ResourceNotFoundFault",
    )


class DmsRefused(DmsRefusal):
    """DMS refused a call for another reason; the message quotes it."""

    code = "dms-refused"
    advice = "Fix the reason that DMS gives; the name in brackets is in AWS's reference of the API."
    example = sample(
        sentence=f"{_PLACE} refused when {_DOING}: Replication task already exists (ResourceAlreadyExistsFault).",
        fault="ResourceAlreadyExistsFault",
    )


class DmsResourceUnknown(DmsError):
    """DMS has no task, endpoint or replication instance with the configured ARN."""

    code = "dms-resource-unknown"
    advice = "Check the ARN in `reload.yaml`, `dms.region`, and that the resource was not deleted."
    example = sample(what="source endpoint", arn="arn:aws:dms:eu-west-1:123456789012:endpoint:ABCDEFGH")

    def __init__(self, what: str, arn: str) -> None:
        super().__init__(
            f"DMS knows no {what} {arn}; check its ARN and the region, and whether it was deleted or belongs to "
            "another account."
        )


class EndpointUnsuitable(DmsError):
    """An endpoint has the wrong type (source or target), or an engine that reloads cannot use."""

    code = "endpoint-unsuitable"
    advice = "Fix `dms.source_endpoint_arn` or `dms.target_endpoint_arn`, or swap the two."
    example = sample(
        problem="The DMS endpoint pg-source is of type target, but it is configured as the source; give an endpoint of "
        "the other type, or swap the two ARNs."
    )

    def __init__(self, problem: str) -> None:
        super().__init__(problem)


class InstanceUnavailable(DmsError):
    """The replication instance is not available, for example because it is being modified."""

    code = "instance-unavailable"
    advice = "Wait until DMS shows it as available, then try again."
    example = sample(instance="reloads", status="modifying")

    def __init__(self, instance: str, status: str) -> None:
        super().__init__(
            f"The DMS replication instance {instance} is {status}, not available; try again once it is available."
        )


class EndpointUnconnected(DmsError):
    """The replication instance cannot reach an endpoint. DMS starts no task without a successful connection test."""

    code = "endpoint-unconnected"
    advice = "Check the endpoint's host, port and login, and the instance's network; then test the connection in DMS."
    example = sample(
        instance="reloads", endpoint="ora-source", problem="could not be made: ORA-12170 connect timeout occurred"
    )

    def __init__(self, instance: str, endpoint: str, problem: str) -> None:
        super().__init__(
            f"The connection from the DMS replication instance {instance} to the endpoint {endpoint} {problem}; check "
            "the endpoint's host, port, login and network."
        )


class TaskNotReady(DmsError):
    """DMS created a load task that did not become ready to start."""

    code = "task-not-ready"
    advice = (
        "Fix the reason that DMS gives, then launch the run again. `dms.polling.ready_timeout_seconds` is the limit."
    )
    example = sample(task="reload-sales-7-a1b2c3", status="creating", problem="after 600 s")

    def __init__(self, task: str, status: str, problem: str) -> None:
        super().__init__(f"The DMS task {task} is {status} and not ready: {problem}; launch the run again.")


class TaskNotRemoved(DmsError):
    """A load task could not be stopped and deleted in time."""

    code = "task-not-removed"
    advice = "Stop and delete the task in DMS; the sensor `sweeper` also tries."
    example = sample(task="reload-sales-7-a1b2c3", status="stopping", seconds=300)

    def __init__(self, task: str, status: str, seconds: float) -> None:
        super().__init__(
            f"The DMS task {task} is still {status} {seconds:.0f} s after it should have been removed; stop and delete "
            "it by hand."
        )


class LoadTaskDeleted(LoadFailed):
    """Somebody deleted the load task while a step waited for its load."""

    code = "load-task-deleted"
    advice = "Reload the window."
    example = sample(task=_INSTANCE.replace(":rep:", ":task:"))

    def __init__(self, task: str) -> None:
        super().__init__(f"The DMS task {task} was deleted before its load ended; reload the window again.")


class LoadNotStarted(LoadFailed):
    """The load task was never started."""

    code = "load-not-started"
    advice = "Reload the window; if it happens again, see whether the replication instance is overloaded."
    example = sample(task="reload-sales-7-a1b2c3", status="ready")

    def __init__(self, task: str, status: str) -> None:
        super().__init__(f"The DMS task {task} is still {status}: it was never started; reload the window again.")


class LoadTimeout(LoadFailed):
    """The load took longer than `dms.polling.load_timeout_seconds`."""

    code = "load-timeout"
    advice = "Look for locks on source and target; raise the timeout, or reload shorter windows."
    example = sample(task="reload-sales-7-a1b2c3", status="running", seconds=3600, loaded="1 of 4 tables and 17 rows")

    def __init__(self, task: str, status: str, seconds: float, loaded: str) -> None:
        super().__init__(
            f"The DMS task {task} is still {status} after {seconds:.0f} s, with {loaded} loaded; look for locks on the "
            "source or target, or raise dms.polling.load_timeout_seconds."
        )


class LoadIncomplete(LoadFailed):
    """The load ended, and at least one table was not loaded completely."""

    code = "load-incomplete"
    advice = "Fix what the message and the task's log say about each table, then reload the window."
    example = sample(
        task="reload-sales-7-a1b2c3",
        faults="SALES.ORDERS is 'Table error' after 17 rows",
        said="Last Error Task error notification received",
    )

    def __init__(self, task: str, faults: str, said: str) -> None:
        super().__init__(
            f"The DMS task {task} did not load every table completely: {faults}"
            + (f'; DMS says: "{said}".' if said else ".")
        )


class LoadUnfit(LoadFailed):
    """Rows that were read again hold values that production's types refuse."""

    code = "load-unfit"
    advice = "Fix the rows in the source, or change the type in production; then reload the window."
    example = sample(table="production.orders", columns=("amount",))

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        super().__init__(
            f"{table} refuses values of {', '.join(columns)} that the source has by now; fix these rows in the source, "
            "or change the type in production, then reload the window."
        )


class MappingImpossible(MappingError):
    """No DMS table mapping would load exactly the configured tables."""

    code = "mapping-impossible"
    advice = "Rename as the message says, or load the table through a view."
    example = sample(
        problem="The source table SALES.ORDERS% has a wildcard (% or []) in its name, which a filtered DMS selection "
        "cannot name; load it through a view with a plain name."
    )

    def __init__(self, problem: str) -> None:
        super().__init__(problem)


class MappingUnreadable(MappingError):
    """The table mapping that DMS returns for the CDC task is not JSON, or has no rules."""

    code = "mapping-unreadable"
    advice = "Grant this role `dms:DescribeReplicationTasks` without restrictions."
    example = sample(problem="is not JSON: Expecting value: line 1 column 1 (char 0)")

    def __init__(self, problem: str) -> None:
        super().__init__(f"The table mapping {problem}.")


class TaskFaulty(MappingError):
    """The linters found mistakes in the mapping or the settings of a load task, so it was not sent to DMS."""

    code = "task-faulty"
    advice = "Fix each finding; its code is explained below, under the findings on a task's mapping and settings."
    example = sample(
        task="reload-sales-7-a1b2c3",
        findings="The commit rate 60000 is above 50000, DMS's limit; lower it. [commit-rate-too-high]",
    )

    def __init__(self, task: str, findings: str) -> None:
        super().__init__(f"The task {task} is not sent to DMS: {findings}")


class KeyTimeNotFilterable(MappingError):
    """A row has to be read again by a DMS filter on its key, and the key is a time that no DMS filter can express."""

    code = "key-time-not-filterable"
    advice = "Configure `source.connection`; such rows are then read over it."
    example = sample(column="taken_at", value="-4712-01-01T00:00:00")

    def __init__(self, column: str, value: str) -> None:
        super().__init__(
            f"Rows cannot be read again by the key {column} = {value}, a time that a DMS filter cannot express; "
            "configure source.connection."
        )
