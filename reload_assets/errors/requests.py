"""Why requests of finders are held, and errors of the commands about requests."""

from __future__ import annotations

from reload_assets.errors import ReloadError, sample


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
    example = sample(request_id=12, why="The CDC task sales-cdc lags 600 s behind the source (limit 60 s).")

    def __init__(self, request_id: int, why: str) -> None:
        super().__init__(
            f"Request {request_id} is held until CDC carries its tables without a lag. {why} The sensor "
            "reload_requests then releases it."
        )
