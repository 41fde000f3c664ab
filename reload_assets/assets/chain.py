"""A graph of ops in a row, from the assets of the stage before to those that its last op yields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from dagster import DependencyDefinition, GraphDefinition, InputMapping, OpDefinition, OutputMapping


def chain(
    name: str,
    description: str,
    ops: Sequence[OpDefinition],
    passed: str,
    tables: Sequence[str],
    input_of: Callable[[str], str],
    output_of: Callable[[str], str],
) -> GraphDefinition:
    """Return the graph. Each op hands its output to the input ``passed`` of the next one.

    ``input_of`` and ``output_of`` name a table's input of the first op and its output of the last one.
    """
    first, last = ops[0], ops[-1]
    return GraphDefinition(
        name=name,
        description=description,
        node_defs=list(ops),
        dependencies={after.name: {passed: DependencyDefinition(before.name)} for before, after in pairwise(ops)},
        input_mappings=[
            InputMapping(
                graph_input_name=input_of(table),
                mapped_node_name=first.name,
                mapped_node_input_name=input_of(table),
            )
            for table in tables
        ],
        output_mappings=[
            OutputMapping(
                graph_output_name=output_of(table),
                mapped_node_name=last.name,
                mapped_node_output_name=output_of(table),
            )
            for table in tables
        ],
    )
