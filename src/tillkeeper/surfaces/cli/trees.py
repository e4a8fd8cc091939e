"""Organizations as a tree on the terminal."""

from collections.abc import Iterable
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree


class Node(Protocol):
    """What is drawn of an organization, whether it came by the API or from the database."""

    @property
    def id(self) -> object:
        """Its id."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def envs(self) -> Iterable[str]:
        """Its envs."""

    @property
    def children(self) -> "Iterable[Node]":
        """What stands below it."""


_SHOWN_OF_MANY = 30


def print_tree(console: Console, root: Node) -> None:
    """Print an organization and what stands below it; of many siblings the first ones."""
    tree = Tree(_label(root))
    _hang(tree, root)
    console.print(tree)


def _hang(tree: Tree, node: Node) -> None:
    children = list(node.children)
    for child in children[:_SHOWN_OF_MANY]:
        _hang(tree.add(_label(child)), child)
    if len(children) > _SHOWN_OF_MANY:
        tree.add(f"[dim]and {len(children) - _SHOWN_OF_MANY} more[/]")


def _label(node: Node) -> str:
    envs = " ".join(f"[{'red' if env == 'LIVE' else 'cyan'}]{env}[/]" for env in node.envs)
    return f"[bold]{escape(node.name)}[/] {envs} [dim]{node.id}[/]"
