"""The layer of an asset, which the lineage shows below its node: the source's table, the staged one or production's."""

from __future__ import annotations


def layer_tags(layer: str, *kinds: str) -> dict[str, str]:
    """Return the tags that give an asset its layer and ``kinds`` as Dagster's kinds.

    The lineage names a node by the last part of its key alone, so the three nodes of a table have the same name. Asset
    groups would not tell them apart, because the page of a group shows no other group. Other last parts would, but
    ``production/orders`` is a key that other projects depend on. Kinds are drawn below each node, at the zoom at which
    the lineage opens, and in the catalog. An op with a ``dagster/compute_kind`` hides the kinds of its assets, so the
    ops that yield assets have none.
    """
    return {f"dagster/kind/{kind}": "" for kind in (layer, *kinds)}
