"""Why requests of finders are held, and errors of the commands about requests."""

from __future__ import annotations

from reload_assets.errors import LedgerError, ReloadError, sample


class HeldByLimit(ReloadError):
    """A finder asks for more than `finders.limits` allows, or its counts cannot be right. The request is held."""

    code = "held-by-limit"
    advice = (
        "Look at what was found: `SELECT * FROM admin.findings WHERE request_id = ID`. If it is right, run "
        "`reload-assets requests release ID`, else `reload-assets requests refuse ID --reason WHY`."
    )
    example = sample(
        request_id=12,
        why="the finder validation asks for 4,000 keys at once, and finders.limits.keys_per_tick is 1,000",
    )

    def __init__(self, request_id: int, why: str) -> None:
        super().__init__(
            f"Request {request_id} is held, because {why}; if it is right, run `reload-assets requests release "
            f"{request_id}`, or UPDATE admin.reload_requests SET status = 'pending' WHERE request_id = {request_id}."
        )


class HeldForCdc(ReloadError):
    """The CDC task does not run, lags, or does not carry a table: what a finder sees may be fixed by CDC itself."""

    code = "held-for-cdc"
    advice = (
        "Fix what keeps the CDC task from carrying the tables. The sensor `reload_requests` then releases the request. "
        "To reload all the same, run `reload-assets requests release ID`."
    )
    example = sample(request_id=12, why="The CDC task sales-cdc is stopped, not running; resume it. [cdc-not-running]")

    def __init__(self, request_id: int, why: str) -> None:
        super().__init__(
            f"Request {request_id} is held until CDC carries its tables without a lag. {why} The sensor "
            "reload_requests then releases it."
        )


class PartWaits(ReloadError):
    """A list of keys became windows, whose rows have parents that production lacks. The reload of these comes first."""

    code = "part-waits"
    advice = "Wait. The sensor `reload_requests` starts the request once the other one has ended."
    example = sample(request_id=14, before=13)

    def __init__(self, request_id: int, before: int) -> None:
        super().__init__(
            f"Request {request_id} begins once request {before} has ended, which is for keys of the same list."
        )


class FinderIncomplete(ReloadError):
    """A finder could not read all that it looks at. What it found was asked for; its next tick tries again."""

    code = "finder-incomplete"
    advice = "Do what the sentences of the message ask for: each has a code of its own."
    example = sample(
        finder="skipped",
        left="The target has no table public.awsdms_apply_exceptions, in which DMS reports on CDC; set "
        "ControlTablesSettings.ControlSchema of the CDC task, or fix cdc.control_schema. [control-table-missing]",
    )

    def __init__(self, finder: str, left: str) -> None:
        super().__init__(f"The finder {finder} could not look at everything; the next tick tries again: {left}")


class RequestUnknown(LedgerError):
    """A command names a request that there is not."""

    code = "request-unknown"
    advice = "List the open requests with `reload-assets requests`; all are in `admin.reload_requests`."
    example = sample(request_id=77)

    def __init__(self, request_id: int) -> None:
        super().__init__(f"There is no request {request_id}; list the open ones with: reload-assets requests.")


class RequestNotOpen(LedgerError):
    """A command is to release a request that is not held, or to refuse one that has begun or ended."""

    code = "request-not-open"
    advice = "List the open requests with `reload-assets requests`. To stop a started one, cancel its run."
    example = sample(request_id=12, status="done", what="release", allowed="held")

    def __init__(self, request_id: int, status: str, what: str, allowed: str) -> None:
        super().__init__(
            f"Request {request_id} is {status}, and only a request that is {allowed} can be {what}d; nothing was "
            "changed. List the open ones with: reload-assets requests."
        )
