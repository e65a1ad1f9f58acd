"""Names of images in files of other programs: clean them, find them on disk, and match them with known names."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from napari_centermask.io.scene_paths import BIO_ENDINGS, exists

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy", ".bmp", *BIO_ENDINGS)
Find = Callable[[str], Path | None]
_MOST_FILES = 200_000  # looked at in a folder and those below: a choice
_LABEL_STUDIO = re.compile(r"^[0-9a-f]{8}-(?=.)")
_ROBOFLOW = re.compile(r"_(png|jpe?g|tiff?|bmp|npy)\.rf\.[0-9a-zA-Z]{16,}\.\w+$")


def clean_name(name: str) -> str:
    """A relative POSIX path without drives, servers and dots, which cannot lead out of a folder; may be empty."""
    text = name.replace("\\", "/")
    if "?d=" in text:
        text = unquote(text.split("?d=", 1)[1])  # Label Studio's local files
    if "://" in text:
        text = unquote(text.split("://", 1)[1].split("?", 1)[0])
        text = text.partition("/")[2] or text
    text = "".join(c for c in text if c.isprintable())
    parts = [p.strip() for p in text.split("/")]
    return "/".join(p for p in parts if p.strip(".") and ":" not in p)


def aliases(name: str) -> list[str]:
    """The image's name before Label Studio put eight digits in front, or Roboflow added a hash."""
    path = PurePosixPath(name)
    if not path.name:
        return []
    names = [str(path.with_name(_LABEL_STUDIO.sub("", path.name)))]
    if match := _ROBOFLOW.search(path.name):
        names.append(str(path.with_name(f"{path.name[: match.start()]}.{match[1]}")))
    return [n for n in names if n != name]


class ImageFinder:
    """Find images inside a folder by the names that another program gave them.

    Parameters
    ----------
    root
        The only folder that is searched, with its subfolders.
    find
        Called for a missing image: returns its file, or another folder to search; after None it is not called again.
    known
        Called before that: returns the file of a known image, or None.
    """

    def __init__(self, root: Path, find: Find | None = None, known: Find | None = None) -> None:
        self._roots = [Path(root)]
        self._find, self._known = find, known
        self._indices: dict[Path, dict[str, list[Path]]] = {}

    def __call__(self, name: str) -> Path | None:
        """The image's file; None if there is none, or several could be meant."""
        if not name:
            return None
        for root in self._roots:
            if path := self._in(root, name):
                return path
        return (self._known and self._known(name)) or self._ask(name)

    def name_of(self, path: Path, name: str) -> str:
        """The path in the root folder, or `name` for files elsewhere."""
        root = self._roots[0]
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else name

    def _ask(self, name: str) -> Path | None:
        while self._find is not None:
            answer = self._find(name)
            if answer is None:
                self._find = None
            elif is_file(answer):
                return Path(answer)
            elif Path(answer) in self._roots:
                return None  # already searched
            else:
                self._roots.append(Path(answer))
                if path := self._in(Path(answer), name):
                    return path
        return None

    def _in(self, root: Path, name: str) -> Path | None:
        for candidate in (name, *aliases(name)):
            parts = PurePosixPath(candidate).parts
            for folder in (root, root / "images"):
                for start in range(len(parts)):
                    path = folder.joinpath(*parts[start:])
                    if is_file(path):
                        return path
            same = self._index(root).get(parts[-1].casefold(), ())
            if len(same) == 1:
                return same[0]
        return self._converted(root, name)

    def _converted(self, root: Path, name: str) -> Path | None:
        """The image under that name in another format, or with the ending that the name lacks."""
        stem = PurePosixPath(name).name.casefold()
        ending = next((e for e in IMAGE_ENDINGS if stem.endswith(e)), "")
        index = self._index(root)
        found = [p for e in IMAGE_ENDINGS for p in index.get(stem[: len(stem) - len(ending)] + e, ())]
        return found[0] if len(found) == 1 else None

    def _index(self, root: Path) -> dict[str, list[Path]]:
        """Files below a folder by their names in lower case; in a very large folder, only the first ones."""
        if root not in self._indices:
            index: dict[str, list[Path]] = {}
            n = 0
            for folder, _, files in os.walk(root):
                for file in files:
                    index.setdefault(file.casefold(), []).append(Path(folder, file))
                n += len(files)
                if n > _MOST_FILES:
                    break
            self._indices[root] = index
        return self._indices[root]


def is_file(path: Path) -> bool:
    """Whether there is such an image, also in a file with several; False for names that the system does not accept."""
    try:
        return exists(path)
    except OSError:
        return False


def match_names(known: Iterable[str], incoming: Sequence[str]) -> dict[str, str]:
    """Match incoming names with known ones.

    The same path comes first, then a path that ends with the other, then the same file name, then the same name without its
    ending or without what Label Studio and Roboflow add; each only if it is unique on both sides.

    Returns
    -------
    dict
        Incoming -> known; names without a match are missing.
    """
    matched: dict[str, str] = {}
    left_known, left = list(dict.fromkeys(known)), list(dict.fromkeys(incoming))
    for keys in (_exact, None, _file, _stem, _alias):
        if keys is None:
            matched |= _by_ends(left_known, left)
        else:
            ours, theirs = _unique(left_known, keys), _unique(left, keys)
            matched |= {theirs[k]: ours[k] for k in theirs.keys() & ours.keys()}
        left = [n for n in left if n not in matched]
        left_known = [n for n in left_known if n not in set(matched.values())]
    return matched


def _by_ends(known: Sequence[str], incoming: Sequence[str]) -> dict[str, str]:
    """Match names of which one is the other with further folders in front, where only one is."""
    by_file: dict[str, list[str]] = {}
    for name in known:
        by_file.setdefault(_file(name), []).append(name)
    pairs = [
        (name, k) for name in incoming for k in by_file.get(_file(name), ()) if _ends_with(_exact(k), _exact(name))
    ]
    theirs, ours = (Counter(side) for side in zip(*pairs, strict=True)) if pairs else (Counter(), Counter())
    return {name: k for name, k in pairs if theirs[name] == ours[k] == 1}


def _ends_with(one: str, other: str) -> bool:
    return f"/{one}".endswith(f"/{other}") or f"/{other}".endswith(f"/{one}")


def _unique(names: Iterable[str], key: Callable[[str], str]) -> dict[str, str]:
    by_key: dict[str, list[str]] = {}
    for name in names:
        by_key.setdefault(key(name), []).append(name)
    return {k: v[0] for k, v in by_key.items() if len(v) == 1 and k}


def _exact(name: str) -> str:
    return clean_name(name)


def _file(name: str) -> str:
    return PurePosixPath(clean_name(name)).name.casefold()


def _stem(name: str) -> str:
    return PurePosixPath(clean_name(name)).stem.casefold()


def _alias(name: str) -> str:
    others = aliases(clean_name(name))
    return _stem(others[-1] if others else name)
