"""The job that has DMS compare a group's tables with the source at once, and asks for the reload of what differs."""

from dagster import JobDefinition, MetadataValue, OpExecutionContext, TableRecord, job, op

from reload_assets.assets.load_steps import readable_errors
from reload_assets.jobs.reload import MAX_RUNTIME_SECONDS
from reload_assets.resources.reload import ReloadResource


def validation_job_name(group: str) -> str:
    """Return the job's name: ``validate_<group>``."""
    return f"validate_{group}"


def validation_job(group: str) -> JobDefinition:
    """Return the job that validates a group by a one-time task of DMS."""

    @op(
        name=f"validate_tables_of_{group}",
        description="Run a DMS task that only validates, and ask for the reload of the keys that it lists.",
        tags={"dagster/compute_kind": "dms"},
    )
    def validate(context: OpExecutionContext, reload: ReloadResource) -> None:
        with readable_errors():
            services = reload.services
            validated = services.validation(group, context.log.info).run(group, context.run_id)
            found = validated.found
            asked = services.ask(found.findings)
        remarks = [*validated.not_validated, *found.problems]
        for said in remarks:
            context.log.warning(said)
        states = [
            TableRecord({"table": name, "state": one.state, "failed": one.failed, "suspended": one.suspended})
            for name, one in validated.tables.items()
        ]
        context.add_output_metadata(
            {
                "tables": MetadataValue.table(states),
                "failures": len(found.findings),
                "asked": str(asked),
                "remarks": "\n\n".join(remarks) or "none",
            }
        )

    @job(
        name=validation_job_name(group),
        description=f"Have DMS compare all rows of the group {group} with the source once, and ask for the reload of "
        "the rows that differ. Nothing is loaded and production is not changed.",
        tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS), "reload_assets/group": group},
    )
    def validate_group() -> None:
        validate()

    return validate_group
