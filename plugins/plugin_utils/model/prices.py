# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A price list, and what a forecast costs by it. There is none here: prices grow old."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from .policy import Finding
from .sizing import DAYS, MONTHS, REQUESTS, Day

KEY = "prices"
STANDARD = "standard"
# AWS, Azure and Google count 2^30 bytes as the GB of their prices
GIGABYTE = 1024**3
_FIELDS = ("currency", "storage_gb_month", "requests_1000", "egress_gb", "minimum_bytes", "archive")


@dataclasses.dataclass(frozen=True)
class Archive:
    """To which storage class the objects of a class go, and after how many days."""

    storage_class: str
    after_days: int


@dataclasses.dataclass(frozen=True)
class Prices:
    """Prices in one currency.

    :param storage: of a GB for a month, by storage class; ``standard`` is where everything begins.
    :param requests: of 1,000 requests, by kind.
    :param egress: of a GB that is read.
    :param minimum: bytes that an object is charged for at least, by storage class.
    :param archive: by retention class.
    """

    currency: str
    storage: Mapping[str, float]
    requests: Mapping[str, float]
    egress: float
    minimum: Mapping[str, float]
    archive: Mapping[str, Archive]

    @property
    def archive_after(self) -> dict[str, int]:
        """By class, after how many days its objects go to an archive storage class."""
        return {name: archive.after_days for name, archive in self.archive.items()}


@dataclasses.dataclass(frozen=True)
class Cost:
    """What some days cost: storage by retention class, requests by kind, and what is read."""

    storage: Mapping[str, float]
    requests: Mapping[str, float]
    egress: float

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self.storage.values()) + sum(self.requests.values()) + self.egress


def read_prices(value: t.Any, findings: list[Finding], *, classes: Sequence[str]) -> Prices | None:
    """Read a price list; None where none is given. What is wrong is added to *findings*.

    :param classes: the retention classes that can be archived.
    """
    if value is None:
        return None
    fields = value if isinstance(value, Mapping) else {}
    findings += [
        Finding(f"{KEY}.{name}", "is no part of a price list", f"Known here: {', '.join(_FIELDS)}.")
        for name in fields
        if name not in _FIELDS
    ]
    storage = _numbers(f"{KEY}.storage_gb_month", fields.get("storage_gb_month"), findings)
    if STANDARD not in storage:
        remedy = "Give the price of a GB for a month where objects are put."
        findings.append(Finding(f"{KEY}.storage_gb_month.{STANDARD}", "is not set", remedy))
    requests = _numbers(f"{KEY}.requests_1000", fields.get("requests_1000"), findings)
    for kind in requests.keys() - set(REQUESTS):
        remedy = f"Known here: {', '.join(REQUESTS)}."
        findings.append(Finding(f"{KEY}.requests_1000.{kind}", "is no kind of requests", remedy))
    minimum = _numbers(f"{KEY}.minimum_bytes", fields.get("minimum_bytes"), findings)
    currency = fields.get("currency", "")
    if not isinstance(currency, str) or len(currency) > 8 or not currency.isprintable():
        findings.append(Finding(f"{KEY}.currency", "is no short text", "Give a text like EUR."))
    return Prices(
        currency=str(currency),
        storage=storage,
        requests=requests,
        egress=_number(f"{KEY}.egress_gb", fields.get("egress_gb", 0), findings),
        minimum=minimum,
        archive=_archive(fields.get("archive"), storage, classes, findings),
    )


def _archive(
    value: t.Any, storage: Mapping[str, float], classes: Sequence[str], findings: list[Finding]
) -> dict[str, Archive]:
    found = {}
    for name, given in _mapping(f"{KEY}.archive", value, findings).items():
        key = f"{KEY}.archive.{name}"
        fields = _mapping(key, given, findings)
        target, after = fields.get("storage_class"), fields.get("after_days")
        if name not in classes:
            findings.append(Finding(key, "is no retention class", f"Known here: {', '.join(classes)}."))
        elif target not in storage or target == STANDARD:
            remedy = f"Name another one of {KEY}.storage_gb_month than {STANDARD}."
            findings.append(Finding(f"{key}.storage_class", "has no price", remedy))
        elif not isinstance(after, int) or isinstance(after, bool) or not 1 <= after <= 36500:
            findings.append(Finding(f"{key}.after_days", f"{after!r} is no number of days", "Give 1 to 36500."))
        else:
            found[name] = Archive(str(target), after)
    return found


def cost(days: Sequence[Day], prices: Prices) -> Cost:
    """What these days cost. A month is a twelfth of a year; an object's least size is held against the mean one."""
    storage: dict[str, float] = {}
    requests: dict[str, float] = {}
    for day in days:
        for name in day.held:
            storage[name] = storage.get(name, 0.0) + _storage(day, name, prices)
        for kind, number in day.requests.items():
            requests[kind] = requests.get(kind, 0.0) + number / 1000 * prices.requests.get(kind, 0.0)
    return Cost(storage, requests, sum(day.read for day in days) / GIGABYTE * prices.egress)


def _storage(day: Day, name: str, prices: Prices) -> float:
    """What a class costs on a day."""
    daily = MONTHS / DAYS / GIGABYTE
    held, objects = day.held[name], day.objects.get(name, 0.0)
    archived = day.archived.get(name, 0.0)
    share = archived / held if held > 0 else 0.0
    archive = prices.archive.get(name)
    found = (
        _charged(held - archived, objects * (1 - share), prices.minimum.get(STANDARD, 0.0)) * prices.storage[STANDARD]
    )
    if archive is not None:
        least = prices.minimum.get(archive.storage_class, 0.0)
        found += _charged(archived, objects * share, least) * prices.storage[archive.storage_class]
    return found * daily


def _charged(size: float, objects: float, least: float) -> float:
    return max(size, objects * least)


def _mapping(key: str, value: t.Any, findings: list[Finding]) -> Mapping[str, t.Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        findings.append(Finding(key, "is no mapping", "Give names with values."))
        return {}
    return value


def _numbers(key: str, value: t.Any, findings: list[Finding]) -> dict[str, float]:
    return {
        str(name): _number(f"{key}.{name}", given, findings) for name, given in _mapping(key, value, findings).items()
    }


def _number(key: str, value: t.Any, findings: list[Finding]) -> float:
    # what Jinja has made of a number is a text
    try:
        found = float(value) if not isinstance(value, bool) else -1.0
    except (TypeError, ValueError):
        found = -1.0
    if not 0 <= found < float("inf"):
        findings.append(Finding(key, "is no number", "Give a number that is not negative."))
        return 0.0
    return found
