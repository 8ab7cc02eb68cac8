"""A workflow as the engine sees it: placed nodes and the links between them. Nothing here changes once it is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, slots=True)
class Link:
    """An output of another node: its id, and the output's place counted from 0."""

    node: str
    slot: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A node in a graph: its id, its type, and a value or a Link for each input that the file names.

    Values are JSON as the file has it. Only a well-formed link becomes a Link: a list that is left as it was is a
    malformed link, and a list that is meant is wrapped, `{"__value__": [...]}`. Both are validation's to judge. An
    empty type says that the file named none. `version` is the node's version that the file was written for, None where
    the file does not say.
    """

    id: str
    type: str
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    title: str = ""
    version: int | None = None

    @property
    def links(self) -> list[tuple[str, Link]]:
        """The inputs that are linked, with their links, in the file's order."""
        return [(name, value) for name, value in self.inputs.items() if isinstance(value, Link)]

    @property
    def name(self) -> str:
        """How to name it to a person: `KSampler (node 3)`."""
        return f"{self.title or self.type} (node {self.id})"

    def having(self, **inputs: Any) -> Placed:
        """A copy with these inputs set."""
        return replace(self, inputs={**self.inputs, **inputs})


@dataclass(frozen=True)
class Graph:
    """Placed nodes by id, in the file's order."""

    nodes: Mapping[str, Placed]

    @staticmethod
    def of(placed: Iterable[Placed]) -> Graph:
        """A graph of these nodes."""
        return Graph({each.id: each for each in placed})

    def __iter__(self) -> Iterator[Placed]:
        return iter(self.nodes.values())

    def __len__(self) -> int:
        return len(self.nodes)

    def __contains__(self, node_id: str) -> bool:
        return node_id in self.nodes

    def __getitem__(self, node_id: str) -> Placed:
        return self.nodes[node_id]

    def get(self, node_id: str) -> Placed | None:
        """The node of this id, if there is one."""
        return self.nodes.get(node_id)

    def upstream(self, node_ids: Iterable[str]) -> set[str]:
        """These nodes and all that feed them; links to nodes that are not there lead nowhere."""
        found: set[str] = set()
        waiting = [node_id for node_id in node_ids if node_id in self.nodes]
        while waiting:
            node_id = waiting.pop()
            if node_id in found:
                continue
            found.add(node_id)
            waiting.extend(link.node for _, link in self.nodes[node_id].links if link.node in self.nodes)
        return found

    def wiring(self) -> nx.DiGraph[str]:
        """The bare network of ids, an edge from each node to each it feeds."""
        import networkx as nx  # noqa: PLC0415 -- costs a tenth of a second, and most graphs need none of it

        wiring: nx.DiGraph[str] = nx.DiGraph()
        wiring.add_nodes_from(self.nodes)
        wiring.add_edges_from(
            (link.node, placed.id) for placed in self for _, link in placed.links if link.node in self.nodes
        )
        return wiring
