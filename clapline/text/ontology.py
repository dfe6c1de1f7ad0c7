"""The AudioSet ontology: sound classes that lie below one another, and which of them a label names.

J. F. Gemmeke et al., "Audio Set: An ontology and human-labeled dataset for audio events", ICASSP 2017. The file
(`ontology.json` of github.com/audioset/ontology, CC BY-SA 4.0) is the user's to bring.
"""

from __future__ import annotations

import graphlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clapline.errors import UserError
from clapline.text.words import content_stems

Spelling = Callable[[str], Iterator[str]]

_EXPECTED = "expected a list of {id, name, child_ids} as in AudioSet's ontology.json"
_BRACKETS = re.compile(r"\([^)]*\)")


@dataclass(frozen=True)
class Ontology:
    """Classes by their id, in the order of the file; a class may lie below several others, but never below itself."""

    names: Mapping[str, str]
    parents: Mapping[str, str]  # of those above a class the one that comes first in the file; roots are left out
    _places: Sequence[Mapping[str, str]]  # spelled label → id: one mapping per way to spell, the strictest first

    @classmethod
    def read(cls, path: Path | str) -> Ontology:
        """Return the ontology of a JSON file. Raises UserError when it is none, or when its classes form a cycle."""
        try:
            nodes = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"ontology {path}: {error.strerror}; {_EXPECTED}") from None
        except (ValueError, RecursionError) as error:
            raise UserError(f"ontology {path} is not valid JSON: {error}; {_EXPECTED}") from None
        return cls.of(nodes, str(path))

    @classmethod
    def of(cls, nodes: Any, where: str) -> Ontology:
        """Return the ontology of a file's parsed content; errors name `where` it came from."""
        names, children = _checked(nodes, where)
        try:
            graphlib.TopologicalSorter(children).prepare()
        except graphlib.CycleError as error:
            cycle = " > ".join(names[node] for node in reversed(error.args[1]))
            raise UserError(
                f"ontology {where}: {cycle} is a cycle; expected classes none of which lies below itself"
            ) from None
        parents: dict[str, str] = {}
        for node, below in children.items():
            for child in below:
                parents.setdefault(child, node)
        return cls(names, parents, [_places(names, spelled) for spelled in _SPELLINGS])

    def find(self, label: str) -> str | None:
        """Return the id of the class that a label names, or None.

        A label names a class by its name, or by a part of it between commas; with underscores or without spaces
        (gun_shot is "Gunshot, gunfire"), inflected or in another order (crying_baby is "Baby cry, infant cry"), without
        what stands in brackets, or by its last word, of which it is a kind (dog_bark is "Bark"). Case never counts.
        The strictest of these that leads anywhere decides, then the order of the file.
        """
        words = _words(label)
        whole = self._place(" ".join(words), _SPELLINGS)
        # A bracket holds the sense of a name ("Ringing (of resonator)"), which the rest of a label may deny.
        return whole if whole is not None or len(words) < 2 else self._place(words[-1], _SPELLINGS[:-1])

    def _place(self, sought: str, spellings: Sequence[Spelling]) -> str | None:
        for spelled, places in zip(spellings, self._places, strict=False):
            # A name is spelled in several ways, a label in one: as it stands.
            if (found := places.get(next(spelled(sought), ""))) is not None:
                return found
        return None

    def parent(self, node: str) -> str | None:
        """Return the id of the class above; None for a root."""
        return self.parents.get(node)

    def path(self, node: str) -> tuple[str, ...]:
        """Return the ids from the root down to a class."""
        found = [node]
        while (above := self.parents.get(found[-1])) is not None:
            found.append(above)
        return tuple(reversed(found))


def name_parts(name: str) -> tuple[str, ...]:
    """Return the parts of a name between its commas, lower case, what stands in brackets left out.

    >>> name_parts("Dishes, pots, and pans")
    ('dishes', 'pots', 'pans')
    """
    return tuple(_parts(_BRACKETS.sub(" ", name)))


def _words(label: str) -> list[str]:
    return label.casefold().replace("_", " ").split()


def _whole(name: str) -> Iterator[str]:
    yield " ".join(_words(name))


def _parts(name: str) -> Iterator[str]:
    for part in name.split(","):
        if words := " ".join(_words(part)).removeprefix("and "):
            yield words


def _without_spaces(name: str) -> Iterator[str]:
    for part in _parts(name):
        yield part.replace(" ", "").replace("-", "")


def _stems(name: str) -> Iterator[str]:
    for text in (name.replace("_", " "), *_parts(name)):
        # Names such as "Noise" are all frame: without content, nothing is left to know them by.
        if stems := content_stems(text):
            yield " ".join(sorted(stems))


def _without_brackets(name: str) -> Iterator[str]:
    return _stems(_BRACKETS.sub(" ", name))


_SPELLINGS: tuple[Spelling, ...] = (_whole, _parts, _without_spaces, _stems, _without_brackets)


def _places(names: Mapping[str, str], spelled: Spelling) -> dict[str, str]:
    places: dict[str, str] = {}
    for node, name in names.items():
        for key in spelled(name):
            places.setdefault(key, node)
    return places


def _checked(nodes: Any, where: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the name and the children of each id. Raises UserError at the first thing that is no ontology."""
    if not isinstance(nodes, list) or not nodes:
        found = "an empty list" if nodes == [] else type(nodes).__name__
        raise UserError(f"ontology {where} holds {found}; {_EXPECTED}")
    names: dict[str, str] = {}
    children: dict[str, list[str]] = {}
    for number, node in enumerate(nodes, start=1):
        if not _is_class(node):
            raise UserError(f"ontology {where}: entry {number} is no class; {_EXPECTED}")
        if node["id"] in names:
            raise UserError(f"ontology {where}: entry {number} repeats the id {node['id']!r}; expected each id once")
        names[node["id"]], children[node["id"]] = " ".join(node["name"].split()), node["child_ids"]
    for node, below in children.items():
        for child in below:
            if child not in names:
                raise UserError(
                    f"ontology {where}: {names[node]!r} has the child {child!r}, which has no entry; "
                    "expected an entry for each of child_ids"
                )
    return names, children


def _is_class(node: Any) -> bool:
    if not isinstance(node, dict):
        return False
    name, below = node.get("name"), node.get("child_ids")
    texts = isinstance(node.get("id"), str) and isinstance(name, str) and bool(name.strip())
    return texts and isinstance(below, list) and all(isinstance(child, str) for child in below)
