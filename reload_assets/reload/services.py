"""The only place that turns the configuration into logins, clients, the ledger, DMS and CDC.

Dagster's resource, the commands and the steps of a reload all get them here, with the same defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from reload_assets.canonical.oracle_types import Delivery
from reload_assets.cdc.carrying import why_wait
from reload_assets.cdc.position import Cdc
from reload_assets.config.finders import DriftConfig
from reload_assets.config.model import ReloadConfig
from reload_assets.config.values import text
from reload_assets.dms.cdc import CdcTask
from reload_assets.dms.client import dms_client
from reload_assets.dms.endpoints import number_scale, trims_char
from reload_assets.dms.polling import PollLimits
from reload_assets.dms.tasks import LoadTasks
from reload_assets.errors import ReloadError, SourceUnavailable
from reload_assets.errors.cdc import CdcAhead, CdcBehind
from reload_assets.finders.drift import DriftFinder
from reload_assets.finders.finding import Finding
from reload_assets.finders.held import hold_parts, release_caught_up
from reload_assets.finders.requesting import Asked, ask
from reload_assets.finders.skipped import FedTable, WindowsFrom
from reload_assets.finders.skipped_finder import SkippedFinder
from reload_assets.finders.validation import FoundFailures
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.request_ends import close_healed, close_split
from reload_assets.notify.cdc_watch import Watched
from reload_assets.notify.channels import Send, to_log, to_slack, to_sns
from reload_assets.notify.notifier import Notifier
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.reload.failures import describe
from reload_assets.reload.load import Load
from reload_assets.reload.logins import SecretLookup, secret, source_reader, target_login
from reload_assets.reload.parts import dms_engine, group_tables
from reload_assets.reload.publish import Publication
from reload_assets.reload.steps import Steps, opened
from reload_assets.reload.sweep import Sweeper
from reload_assets.reload.validation import Validation, find_validation_failures

if TYPE_CHECKING:
    from reload_assets.source.reader import SourceReader

_Steps = TypeVar("_Steps", bound=Steps)

# If a user or a sensor waits for the answer, an unanswered call is tried only once more before it is reported.
_HURRIED_ATTEMPTS = 2


class Services:
    """Makes everything that a reload needs from one configuration. Each part is made when it is first used, then kept.

    The methods raise ConfigError if a variable or a secret is missing.
    """

    def __init__(
        self,
        config: ReloadConfig,
        look_up: SecretLookup,
        make_slack: Callable[[str], Any],
    ) -> None:
        """``look_up`` returns a secret's text; ``make_slack`` makes Slack's client from a token."""
        self.config = config
        self._look_up = look_up
        self._delivered: Delivery | None = None
        self._make_slack = make_slack

    @cached_property
    def target(self) -> TargetDatabase:
        """The login to the target database."""
        return target_login(self.config, self._look_up)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger in the target database."""
        return Ledger(self.target)

    def open_source(self, patience: float | None = None) -> SourceReader | None:
        """Open a reader of the source, which the caller closes; None if no source connection is configured.

        ``patience`` is the longest time of a call, if that is less than what is configured (seconds).
        """
        return source_reader(self.config, self._look_up, lambda: self._delivery(patience), patience)

    def source(self, patience: float | None = None) -> AbstractContextManager[SourceReader | None]:
        """Open a reader of the source for a ``with`` block; None if no source connection is configured."""
        return opened(lambda: self.open_source(patience))

    def load_tasks(self, patience: float | None = None) -> LoadTasks:
        """Return the operations on load tasks.

        ``patience`` replaces the configured limit for each wait for a task's state (seconds). The sweeper and the
        commands give a short one.
        """
        return LoadTasks(self._client, self._limits(patience))

    def cdc_task_arn(self, group: str) -> str | None:
        """Return the ARN of the CDC task that feeds a group's tables; None if none is configured."""
        if self.config.cdc is None:
            return None
        own = self.config.groups[group].cdc_task_arn
        if own is not None:
            return text(own, f"{self.config.file}: groups.{group}.cdc_task_arn")
        return text(self.config.cdc.task_arn, f"{self.config.file}: cdc.task_arn")

    def cdc_tasks(self, patience: float | None = None) -> list[CdcTask]:
        """Return the CDC tasks of all groups, each once. ``patience`` is as for load tasks."""
        arns = dict.fromkeys(self.cdc_task_arn(group) for group in self.config.groups)
        return [CdcTask(self._client, self._limits(patience), arn) for arn in arns if arn is not None]

    def cdc(
        self, group: str, say: Callable[[str], None], patience: float | None = None, most_wait: float | None = None
    ) -> Cdc | None:
        """Return the CDC task of a group as reloads see it; None if none is configured.

        ``most_wait`` is the longest wait for CDC, if that is less than what is configured (seconds).
        """
        arn, settings = self.cdc_task_arn(group), self.config.cdc
        if arn is None or settings is None:
            return None
        task = CdcTask(self._client, self._limits(patience), arn)
        if most_wait is not None:
            settings = settings.model_copy(update={"wait_seconds": min(most_wait, settings.wait_seconds)})
        return Cdc(settings, task, self.target, lambda: bool(self.ledger.find_fenced(arn)), say)

    def load(self, group: str, say: Callable[[str], None]) -> Load:
        """Return the steps of a load of a group, which report to ``say``."""
        return self._steps(Load, group, say)

    def publication(self, group: str, say: Callable[[str], None]) -> Publication:
        """Return the steps that bring a group from staging into production, which report to ``say``."""
        return self._steps(Publication, group, say)

    def validation(self, group: str, say: Callable[[str], None]) -> Validation:
        """Return what has DMS validate a group, which reports to ``say``."""
        return self._steps(Validation, group, say)

    def validation_failures(self, patience: float, most: int) -> FoundFailures:
        """Return what DMS's validation has listed and nobody has taken up: about ``most`` of it.

        ``patience`` is as for a reader of the source.
        """
        return find_validation_failures(self.config, self.target, lambda: self.open_source(patience), most=most)

    def sweeper(self, say: Callable[[str], None], patience: float | None = None) -> Sweeper:
        """Return the sweeper of all groups, which reports to ``say``. ``patience`` is as for load tasks."""
        return Sweeper(self.target, self.ledger, self.load_tasks(patience), self.cdc_tasks(patience), say)

    def notifier(self, say: Callable[[str], None], patience: float | None = None) -> Notifier:
        """Return what sends the events of all groups; ``say`` is the log. ``patience`` is as for load tasks."""
        return Notifier(self.target, self.channels(say), lambda: self._watched(patience))

    def ask(self, findings: Iterable[Finding], patience: float | None = None) -> Asked:
        """Note what a finder has found, and make requests for it. ``patience`` is as for load tasks."""
        limits = self.config.finders.limits
        return ask(self.target, limits, findings, lambda group, tables: self.why_wait(group, tables, patience))

    def drift_finder(self, group: str, say: Callable[[str], None]) -> DriftFinder:
        """Return what compares windows of a group with the source, and asks for reloads if ``finders.drift`` is set."""
        settings = self.config.finders.drift or DriftConfig()
        return DriftFinder(
            group,
            group_tables(self.config, group),
            settings,
            self.config.source.zone,
            self.target,
            # No call may take longer than the whole.
            lambda: self.source(settings.seconds),
            self.cdc(group, say, most_wait=settings.seconds),
            self.ask if self.config.finders.drift is not None else None,
            describe,
        )

    def skipped_finder(self, windows_from: WindowsFrom, patience: float | None = None) -> SkippedFinder:
        """Return the finder of what the CDC tasks of all groups skipped. ``patience`` is as for load tasks."""
        tasks = []
        for cdc, groups in self._cdc_with_groups(patience):
            tables = [
                FedTable(group, name, self.config.source_of(group, name), self.config.target_of(group, name), key)
                for group in groups
                for name, table in self.config.groups[group].tables.items()
                for key in [None if table.key is None else tuple(table.key)]
            ]
            tasks.append((cdc, tables))
        return SkippedFinder(self.target, tasks, windows_from, lambda findings: self.ask(findings, patience))

    def settle_requests(self, patience: float | None = None) -> None:
        """Bring requests up to date before any is started: those that need no run, and those that are held.

        ``patience`` is as for load tasks.
        """
        close_healed(self.target, {name: list(group.tables) for name, group in self.config.groups.items()})
        close_split(self.target)
        hold_parts(self.target, self.config.finders.limits)
        release_caught_up(self.target, lambda group, tables: self.why_wait(group, tables, patience))

    def why_wait(self, group: str, tables: Sequence[str], patience: float | None = None) -> ReloadError | None:
        """Return why CDC does not carry tables of a group without a lag; None if it does, or if there is none.

        The clocks of both sides may differ, so the source's has the last word, as in a reload.
        """
        known = self.config.groups.get(group)
        cdc = None if known is None else self.cdc(group, lambda said: None, patience)
        if known is None or cdc is None:
            return None
        named = [self.config.source_of(group, name) for name in tables if name in known.tables]
        sources = [(source.schema, source.name) for source in named]
        why = why_wait(cdc, sources)
        if not isinstance(why, (CdcAhead, CdcBehind)):
            return why
        try:
            with self.source(patience) as reader:
                if reader is None:
                    return why
                with cdc.by_source_clock(reader.now):
                    return why_wait(cdc, sources)
        except SourceUnavailable:
            return why

    def channels(self, say: Callable[[str], None]) -> dict[str, Callable[[], Send]]:
        """Return the channels of notifications by name. What makes one raises ConfigError if it cannot be used."""
        notify, place = self.config.notify, f"{self.config.file}: notify"
        sns, slack = notify.sns, notify.slack
        found: dict[str, Callable[[], Send]] = {}
        if notify.log:
            found["log"] = lambda: to_log(say)
        if sns is not None:
            arn = f"{place}.sns.topic_arn"
            found["sns"] = lambda: to_sns(text(sns.topic_arn, arn), arn)
        if slack is not None:
            found["slack"] = lambda: to_slack(
                self._make_slack(secret(slack.token, f"{place}.slack.token", self._look_up)),
                text(slack.channel, f"{place}.slack.channel"),
            )
        return found

    def _watched(self, patience: float | None) -> list[Watched]:
        cdc = self.config.cdc
        each = self._cdc_with_groups(patience)
        return [] if cdc is None else [Watched(one, names, cdc.max_lag_seconds) for one, names in each]

    def _cdc_with_groups(self, patience: float | None) -> list[tuple[Cdc, list[str]]]:
        """Return each CDC task with the groups that it feeds."""
        groups: dict[str, list[str]] = {}
        for group in self.config.groups:
            if (arn := self.cdc_task_arn(group)) is not None:
                groups.setdefault(arn, []).append(group)
        each = [(self.cdc(names[0], lambda said: None, patience), names) for names in groups.values()]
        return [(cdc, names) for cdc, names in each if cdc is not None]

    def _steps(self, kind: type[_Steps], group: str, say: Callable[[str], None]) -> _Steps:
        return kind(
            config=self.config,
            target=self.target,
            ledger=self.ledger,
            tasks=self.load_tasks(),
            cdc=self.cdc(group, say),
            open_source=self.open_source,
            say=say,
        )

    def _delivery(self, patience: float | None) -> Delivery:
        """Return how DMS changes the source's values, by the settings of its source endpoint. Raises DmsError."""
        if self._delivered is None:
            endpoint = self.load_tasks(patience).source_endpoint(dms_engine(self.config).source_arn())
            self._delivered = Delivery(number_scale(endpoint), trims_char(endpoint))
        return self._delivered

    @cached_property
    def _client(self) -> Any:
        """The only client, because making one takes longer than most calls. Threads may share it."""
        dms, place = self.config.dms, f"{self.config.file}: dms"
        return dms_client(
            region=text(dms.region, f"{place}.region"),
            endpoint_url=text(dms.endpoint_url, f"{place}.endpoint_url") if dms.endpoint_url is not None else None,
        )

    def _limits(self, patience: float | None) -> PollLimits:
        polling = self.config.dms.polling
        return PollLimits(
            interval=polling.interval_seconds,
            max_interval=polling.max_interval_seconds,
            ready_timeout=patience or polling.ready_timeout_seconds,
            load_timeout=polling.load_timeout_seconds,
            remove_timeout=patience or polling.remove_timeout_seconds,
            call_attempts=_HURRIED_ATTEMPTS if patience else polling.call_attempts,
        )
