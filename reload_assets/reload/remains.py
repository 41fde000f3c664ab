"""What a reload leaves behind when it does not finish: a DMS task, tables of rows read again, an open row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from reload_assets.dms.tasks import LoadTasks
from reload_assets.engines.staging_tables import again_name
from reload_assets.errors import DmsError
from reload_assets.ledger.ledger import Ledger
from reload_assets.ledger.records import Reload
from reload_assets.postgres.connection import TargetDatabase
from reload_assets.postgres.session import drop_table


@dataclass(frozen=True)
class Remains:
    """Clears it away. ``say`` reports to whoever watches."""

    target: TargetDatabase
    ledger: Ledger
    tasks: LoadTasks
    say: Callable[[str], None]

    def give_up(self, reload_id: int, status: Literal["failed", "cancelled"], error: str) -> None:
        """Stop and delete the DMS task of a reload and close it in the ledger, whatever state either is in.

        A merged reload stays merged, and one that is not confirmed yet becomes unconfirmed. A task that cannot be
        deleted is named in the ledger.
        """
        reload = self.ledger.get(reload_id)
        for arn in self.tasks_of(reload):
            try:
                self.remove_task(reload, arn)
            except DmsError as failure:
                error += f" Its DMS task {arn} is still there: {failure.sentence}"
        self.ledger.close(reload_id, status, error)
        if reload.confirm_status == "pending":
            with self.target.connect(autocommit=True) as connection:
                for table in self.ledger.tables(reload_id).values():
                    drop_table(connection, table.staging_schema, again_name(table.staging_table))
            self.ledger.give_up_confirm(reload_id, error)

    def close(self, reload: Reload) -> None:
        """Give up a reload whose run is over."""
        doing = "in the middle of its confirm" if reload.status == "merged" else reload.status
        self.say(f"{reload.title} was left {doing} by run {reload.run_id}; closing it")
        self.give_up(reload.reload_id, "cancelled", f"Run {reload.run_id} ended and left it {doing}.")

    def remove_task(self, reload: Reload, arn: str) -> None:
        """Stop and delete a DMS task of a reload. Raises DmsError."""
        self.tasks.remove(arn)
        self.ledger.set_task_removed(reload.reload_id)
        self.say(f"DMS task {arn} is stopped and deleted")

    def tasks_of(self, reload: Reload) -> list[str]:
        """The reload's task; by its tags where the step died before it could write the ARN down, or in a confirm."""
        if reload.task_arn and reload.confirm_status != "pending":
            return [reload.task_arn]
        try:
            return self.tasks.find(reload.tags)
        except DmsError as failure:
            self.say(f"Whether {reload.title} left a DMS task behind could not be found out: {failure}")
            return []
