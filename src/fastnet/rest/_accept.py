"""What a client accepts: RFC 9110, section 12.5.1."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["best", "quality"]

Range = tuple[str, str, dict[str, str], float]
_MOST = 64  # ranges that are looked at; a browser sends eight


def _weight(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return min(max(value, 0.0), 1.0) if value == value else 0.0


def parse(header: str) -> list[Range]:
    """The ranges of an Accept header: type, subtype, parameters, quality; nonsense left out."""
    found: list[Range] = []
    for item in header[:8192].split(",")[:_MOST]:
        kind, *rest = item.split(";")
        main, slash, sub = kind.strip().lower().partition("/")
        if kind.strip() == "*":  # what some old clients send
            main, slash, sub = "*", "/", "*"
        if not (main and slash and sub) or (main == "*" and sub != "*"):
            continue
        options, weight = {}, 1.0
        for option in rest:
            name, _, value = option.partition("=")
            name, value = name.strip().lower(), value.strip().strip('"').lower()
            if name == "q":
                weight = _weight(value)
                break  # what follows a weight is no part of the type
            if name:
                options[name] = value
        found.append((main, sub, options, weight))
    return found


def _split(offer: str) -> tuple[str, str, dict[str, str]]:
    kind, *rest = offer.lower().split(";")
    main, _, sub = kind.strip().partition("/")
    pairs = (option.partition("=") for option in rest)
    return main, sub, {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def _quality(ranges: list[Range], offer: str) -> tuple[float, int]:
    """How much a type is wanted, and how exactly the range says so that decides."""
    main, sub, options = _split(offer)
    closest, weight = -1, 0.0
    for range_main, range_sub, wanted, value in ranges:
        if range_main == main and range_sub == sub:
            if any(options.get(name) != what for name, what in wanted.items()):
                continue
            exact = 2 + len(wanted)
        elif range_main == main and range_sub == "*":
            exact = 1
        elif range_main == range_sub == "*":
            exact = 0
        else:
            continue
        if exact > closest or (exact == closest and value > weight):
            closest, weight = exact, value
    return weight, closest


def quality(header: str | None, offer: str) -> float:
    """How much an Accept header wants a media type: 0.0, not at all, to 1.0."""
    if not header or not (ranges := parse(header)):
        return 1.0
    return _quality(ranges, offer)[0]


def best(header: str | None, offers: Iterable[str]) -> str | None:
    """Which of the offered media types a client wants most; None when it takes none of them.

    Parameters:
        header: the Accept header; None or empty takes anything.
        offers: the types there are, the one to prefer first.
    """
    ranges = parse(header) if header else []
    chosen, most = None, (0.0, -1)
    for offer in offers:
        if not ranges:
            return offer
        found = _quality(ranges, offer)
        if found[0] > 0 and found[0] > most[0]:
            chosen, most = offer, found
    return chosen
