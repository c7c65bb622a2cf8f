r"""Real pairs, a degraded photograph and its clean one: their files, names and sizes.

A rule is a plain mapping, as it stands under `pairs` in datasets.yaml:

    degraded   glob of the degraded files below the folder; `**/` is any number of folders
    clean      [expression, replacement]: makes the clean file's path of the degraded file's, as in
               ['^(.*/)?input/([^/]+)$', '\1gt/\2']; it must match exactly once
    list       optional glob of a text file with one degraded file a line; the others are left out
    others     optional glob of further degraded files, not of this set, whose clean files lie among
               those of the set (the training files of HIDE)

Paths are relative to the folder, with `/`. Globs, expressions and listed names ignore case, since
endings do (.PNG). Hidden files and what a Mac adds to archives do not count; linked folders are not
entered.
"""

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data_prep.datasets import IMAGES
from data_prep.images import check_image
from data_prep.pictures import shown_size
from semanir.errors import InputError
from semanir.files import is_hidden

_FRAMES = ("blur", "blur_gamma", "sharp")
_INCOMPLETE = "the archive may be incomplete, fetch and unpack it again"


def find_pairs(
    folder: Path, rules: Sequence[Mapping[str, Any]], name: str, count: int | None = None
) -> list[tuple[Path, Path]]:
    """The (degraded, clean) files of the set `name` in folder, sorted by the degraded file's path.

    The first of the rules whose glob and list find anything is used. Several degraded files may
    share a clean one. count: how many pairs there must be.

    Raises InputError that names the file at fault: no rule fits, a degraded file without its clean
    one or a clean one that no degraded file uses, a listed file that is absent or listed twice, two
    files of one flat name (see flat_name), sizes that differ, a link that leads out of the folder,
    a wrong number of pairs.
    """
    if not folder.is_dir():
        raise InputError(f"{name}: no folder {folder}; unpack the archive there")
    files, links = _files_below(folder)
    rule, degraded, lists = _first_matching_rule(folder, rules, files, links, name)
    chosen = _listed(folder, lists, degraded, name) if lists else degraded
    pairs = _with_clean(folder, chosen, rule, files, name)

    # files that the list leaves out and those of other sets use their clean files, too
    others = _matching(files, rule["others"]) if "others" in rule else []
    used = {_in_any_case(_clean_path(path, rule), files) for path in (*degraded, *others)}
    _check_orphans(folder, set(pairs.values()), used, files, name)
    _check_names(pairs, name)
    _check_names(pairs.values(), name)
    if count is not None and len(pairs) != count:
        hint = _INCOMPLETE if len(pairs) < count else "remove what does not belong to it"
        raise InputError(
            f"{name}: found {len(pairs)} pairs where {count} belong: {rule['degraded']} in "
            f"{folder}; {hint}"
        )
    _check_sizes(folder, pairs, name)
    return [(folder / path, folder / clean) for path, clean in pairs.items()]


def flat_name(path: PurePath) -> str:
    """A file's name in a folder that holds a whole set: the file name without its folders.

    GoPro numbers the frames of each sequence anew, so <sequence>/{blur,blur_gamma,sharp}/000001.png
    becomes <sequence>-000001.png, the name that the pre-split copies of GoPro give it. find_pairs
    refuses a set in which two names are the same (endings apart).
    """
    if len(path.parts) > 2 and path.parent.name.lower() in _FRAMES:
        return f"{path.parent.parent.name}-{path.name}"
    return path.name


def transweather_size(height: int, width: int) -> tuple[int, int]:
    """The (height, width) at which TransWeather scores an image (ValData, val_data_functions.py).

    A longest side over 1024 becomes 1024, the other one ceil(side * 1024 / longest); then both are
    rounded up to multiples of 16. Raises InputError for an empty image.
    """
    if min(height, width) < 1:
        raise InputError(f"an image of {width}x{height} is empty; fetch it again")
    longest = max(height, width)
    if longest > 1024:
        height, width = (-(-side * 1024 // longest) for side in (height, width))
    return -(-height // 16) * 16, -(-width // 16) * 16


def resize_as_transweather(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Resize uint8 [H,W,3] to transweather_size with Pillow's Lanczos; so is ground truth.

    An image of that size is returned as it is. Raises InputError unless it is uint8 [H,W,3].
    """
    check_image(image, 3)
    height, width = transweather_size(*image.shape[:2])
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def _files_below(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Paths of all files in sorted order, by their case-folded spelling too, and linked folders."""
    paths, links = [], []
    for parent, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not is_hidden(each)]
        place = Path(parent).relative_to(folder)
        links += [(place / each).as_posix() for each in folders if Path(parent, each).is_symlink()]
        paths += [(place / each).as_posix() for each in names if not is_hidden(each)]
    paths.sort(key=lambda path: path.split("/"))
    files = {path.casefold(): path for path in paths}
    return files | {path: path for path in paths}, sorted(links)


def _matching(files: Mapping[str, str], pattern: str, images: bool = True) -> list[str]:
    """The files, or only the images among them, that a glob names, in sorted order."""
    wanted = pattern.casefold().split("/")
    return [
        path
        for path in dict.fromkeys(files.values())
        if not images or path.lower().endswith(IMAGES)
        if _matches(path.casefold().split("/"), wanted)
    ]


def _matches(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether the components of a path match those of a glob."""
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(_matches(parts[start:], wanted[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _matches(parts[1:], wanted[1:])


def _first_matching_rule(
    folder: Path,
    rules: Sequence[Mapping[str, Any]],
    files: Mapping[str, str],
    links: Sequence[str],
    name: str,
) -> tuple[Mapping[str, Any], list[str], list[str]]:
    """The first rule that finds anything, its degraded files and its lists."""
    for rule in rules:
        degraded = _matching(files, rule["degraded"])
        lists = _matching(files, rule["list"], images=False) if "list" in rule else []
        if degraded and (lists or "list" not in rule):
            return rule, degraded, lists
    layouts = (
        rule["degraded"] + (f" listed in {rule['list']}" if "list" in rule else "")
        for rule in rules
    )
    hint = "unpack the archive there"
    if links:
        hint = f"{links[0]} is a link and not entered, move the folder itself there"
    raise InputError(
        f"{name}: no degraded images in {folder}; looked for {', '.join(layouts)}; {hint}"
    )


def _listed(folder: Path, lists: Sequence[str], degraded: Sequence[str], name: str) -> list[str]:
    """The degraded files that the list names, sorted; several lists must be copies of one."""
    texts = [_read_lines(folder / path) for path in lists]
    for path, text in zip(lists, texts, strict=True):
        if text != texts[0]:
            raise InputError(
                f"{name}: {lists[0]} and {path} in {folder} differ; remove the one that is wrong"
            )
    same_name: dict[str, list[str]] = {}
    for path in degraded:
        same_name.setdefault(PurePosixPath(path).name.casefold(), []).append(path)

    lines: dict[str, int] = {}
    missing = []
    for number, line in enumerate(texts[0], start=1):
        parts = [part for part in line.casefold().split("/") if part not in ("", ".")]
        if not parts:
            continue
        best = _nearest(parts, same_name.get(parts[-1], []), PurePosixPath(lists[0]).parent)
        place = f"{lists[0]}, line {number}"
        if not best:
            missing.append(f"{place} names {line}")
        elif len(best) > 1:
            raise InputError(
                f"{name}: {place} may mean {best[0]} or {best[1]} in {folder}; remove one copy"
            )
        elif best[0] in lines:
            raise InputError(
                f"{name}: {place} names {best[0]} again, as line {lines[best[0]]} does; remove it"
            )
        else:
            lines[best[0]] = number
    if missing:
        others = _and_more(missing, "line")
        raise InputError(f"{name}: {missing[0]}, which is not in {folder}{others}; {_INCOMPLETE}")
    if not lines:
        raise InputError(f"{name}: {lists[0]} in {folder} is empty; fetch it again")
    return [path for path in degraded if path in lines]


def _read_lines(path: Path) -> list[str]:
    """The lines of a list, with `/` for backslashes and without a byte order mark."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text file: {error.reason}; fetch it again") from None
    return [line.strip().replace("\\", "/") for line in text.splitlines()]


def _nearest(line: Sequence[str], paths: Iterable[str], root: PurePosixPath) -> list[str]:
    """The paths that end with the components of a line: the file, and its folder if it names one.

    The lists were written for other roots than ours. A path that the line spells out as seen from
    the list's folder goes before all others, then the one with the longest common tail.
    """
    ranked: dict[tuple[bool, int], list[str]] = {}
    for path in paths:
        parts = path.casefold().split("/")
        equal = (a == b for a, b in zip(reversed(parts), reversed(line), strict=False))
        common = len(list(takewhile(bool, equal)))
        if common >= min(2, len(line)):
            below = PurePosixPath(path).is_relative_to(root)
            whole = below and common >= len(parts) - len(root.parts)
            ranked.setdefault((whole, common), []).append(path)
    return ranked[max(ranked)] if ranked else []


def _clean_path(path: str, rule: Mapping[str, Any]) -> str | None:
    """Where the clean file must be; None if the rule does not match exactly once."""
    expression, replacement = rule["clean"]
    clean, matches = re.subn(expression, replacement, path, flags=re.IGNORECASE)
    return clean if matches == 1 else None


def _in_any_case(path: str | None, files: Mapping[str, str]) -> str | None:
    """The file of this path, or else one that differs in upper and lower case only."""
    return None if path is None else files.get(path) or files.get(path.casefold())


def _with_clean(
    folder: Path,
    chosen: Sequence[str],
    rule: Mapping[str, Any],
    files: Mapping[str, str],
    name: str,
) -> dict[str, str]:
    """Degraded -> clean file, both inside the folder even where they are links."""
    pairs, missing = {}, []
    for path in chosen:
        clean = _clean_path(path, rule)
        if clean is None:
            raise InputError(
                f"{name}: the rule {rule['clean'][0]} must match {path} exactly once; mend the rule"
            )
        actual = _in_any_case(clean, files)
        if actual is None:
            missing.append(f"{path} has no clean image {clean}")
        else:
            pairs[path] = actual
    if missing:
        raise InputError(
            f"{name}: {missing[0]} in {folder}{_and_more(missing, 'image')}; {_INCOMPLETE}"
        )
    root = folder.resolve()
    for path in (*pairs, *pairs.values()):
        link = folder / path
        if link.is_symlink() and not link.resolve().is_relative_to(root):
            raise InputError(f"{name}: {path} leads out of {folder}; copy the file itself there")
    return pairs


def _check_orphans(
    folder: Path,
    clean: Collection[str],
    used: Collection[str | None],
    files: Mapping[str, str],
    name: str,
) -> None:
    """Every image beside the clean ones must be the clean image of some degraded file."""
    folders = {PurePosixPath(path).parent for path in clean}
    orphans = [
        path
        for path in dict.fromkeys(files.values())
        if PurePosixPath(path).parent in folders
        if path not in used and path.lower().endswith(IMAGES)
    ]
    if orphans:
        raise InputError(
            f"{name}: no degraded image belongs to {orphans[0]} in {folder}"
            f"{_and_more(orphans, 'image')}; {_INCOMPLETE}"
        )


def _check_names(paths: Iterable[str], name: str) -> None:
    """No two files may have the same flat name, endings and case apart."""
    seen: dict[str, str] = {}
    for path in paths:
        flat = flat_name(PurePosixPath(path))
        first = seen.setdefault(PurePath(flat).stem.casefold(), path)
        if first != path:
            raise InputError(
                f"{name}: {first} and {path} would both be called {flat}; remove one copy"
            )


def _check_sizes(folder: Path, pairs: Mapping[str, str], name: str) -> None:
    """Both files of a pair must show as many pixels a side; only headers are read."""
    sizes = {path: shown_size(folder / path) for path in dict.fromkeys((*pairs, *pairs.values()))}
    for path, clean in pairs.items():
        if sizes[path] != sizes[clean]:
            degraded_size, clean_size = ("{}x{}".format(*sizes[each]) for each in (path, clean))
            raise InputError(
                f"{name}: {path} is {degraded_size}, its clean image {clean} is {clean_size} in "
                f"{folder}; "
                "fetch both again"
            )


def _and_more(names: Sequence[str], kind: str) -> str:
    """', and 2 more images' for those that a message does not name, all but the first."""
    rest = len(names) - 1
    return f", and {rest} more {kind}{'s' if rest > 1 else ''}" if rest else ""
