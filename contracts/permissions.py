"""Who may say and hear what on NATS: the permissions of each service, worked out from the channel table.

A service publishes the rows that name it as producer and hears those that name it as consumer. What JetStream
and its KV buckets want besides is here as well, as narrow as our use of them allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from contracts.advisories import ADVISORY_LISTENERS, CLIENT_DISCONNECTED
from contracts.channel import Channel, Plane
from contracts.channels import ASSIGN, CALL_REASSIGNED, CHANNELS, RECORD_READERS
from contracts.errors import ContractError
from contracts.messages import Role
from contracts.streams import ALERTS, CALLS

OPERATOR: Final = "trunkline"
"""The user of the command line."""

REPLAYER: Final = "replay"
"""The user of a replay that plays a gateway's part on the bus: it may do what a gateway may."""

RECORD_KEEPER: Final = "session"
"""Who may change the stream of call events where it differs from its specification: in every deployment."""

SERVICES: Final = tuple(
    dict.fromkeys(service for row in CHANNELS for service in (*row.producers, *row.consumers))
)

_ROLES: Final = tuple(role.value for role in Role)
_API: Final = "$JS.API"

HISTORY_REQUEST: Final = f"{_API}.DIRECT.GET.{CALLS.name}"
"""Asks the stream for all that was said in a call. Which one is in the question: NATS cannot narrow it."""

_EVENT_PLANES: Final = {Plane.RECORD: "call.*.*.>", Plane.LIVE: "live.*.*.>"}
_RECORD: Final = tuple(row for row in CHANNELS if row.plane is Plane.RECORD)
_NOT_IN_A_TOKEN: Final = re.compile(r"[^A-Za-z0-9_+-]")


@dataclass(frozen=True, slots=True)
class Permissions:
    """What one NATS user may do; every tuple holds subjects, sorted.

    `unheard` is what `subscribe` covers by a wildcard and the server leaves out all the same. `answers`: it
    may also publish once on the reply subject of a request that reached it, and then no more.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    unheard: tuple[str, ...]
    answers: bool


def user_of(services: Iterable[str]) -> str:
    """The NATS user of a process that runs these services."""
    return "+".join(services)


def inbox_prefix(user: str) -> str:
    """Where the answers to this user's requests go: a branch of its own, which nobody else may hear."""
    return f"_INBOX.{_NOT_IN_A_TOKEN.sub('_', user)}"


def permissions_of(*services: str, user: str = "") -> Permissions:
    """What a process may do that runs these services: all that each of them may; ContractError for none.

    `user` is who it is to NATS where several processes run the same services.
    """
    for service in services:
        if service not in SERVICES:
            raise ContractError(f"no channel names a service {service!r}", mend=f"use {', '.join(SERVICES)}")
    said = [row for row in CHANNELS if _any(services, row.producers)]
    heard = [row for row in CHANNELS if _any(services, row.consumers)]
    publish = {
        *(subject for one in services for row in said if one in row.producers for subject in _said(row, one)),
        *(subject for one in services for subject in _jetstream(one)),
    }
    subscribe = {
        f"{inbox_prefix(user or user_of(services))}.>",
        *(
            subject
            for one in services
            for row in heard
            if one in row.consumers
            for subject in _heard(row, one)
        ),
        *(CLIENT_DISCONNECTED for one in services if one in ADVISORY_LISTENERS),
    }
    unheard = {
        row.wildcard() for row in CHANNELS if row not in heard and _EVENT_PLANES.get(row.plane) in subscribe
    }
    answers = any(row.reply is not None for row in heard)
    return Permissions(_in_order(publish), _in_order(subscribe), _in_order(unheard), answers)


def _said(row: Channel[Any], service: str) -> Iterator[str]:
    """A process speaks to its own role, or of it, under that role's name only."""
    if "role" not in row.tokens:
        yield row.wildcard()
    elif service in _ROLES:
        yield row.wildcard(role=service)
    else:
        yield from (row.wildcard(role=role) for role in row.consumers)


def _heard(row: Channel[Any], service: str) -> Iterator[str]:
    """Whoever holds a call hears its events by one subscription, in order: the server leaves out the rest."""
    if row.plane is Plane.KV:
        return  # read through the bucket's stream
    if row.plane in _EVENT_PLANES and service in (*_ROLES, *RECORD_READERS):
        yield _EVENT_PLANES[row.plane]
    elif "role" in row.tokens and service in _ROLES:
        yield row.wildcard(role=service)
    else:
        yield row.wildcard()


def next_of(stream: str, consumer: str) -> str:
    """The subject on which JetStream is asked for what a consumer has waiting."""
    return f"{_API}.CONSUMER.MSG.NEXT.{stream}.{consumer}"


def _jetstream(service: str) -> Iterator[str]:
    if service != OPERATOR:  # every process makes the stream when it is missing
        yield f"{_API}.STREAM.CREATE.{CALLS.name}"
    if service == RECORD_KEEPER:
        yield f"{_API}.STREAM.UPDATE.{CALLS.name}"
    for row in _RECORD:
        if service in (*row.producers, *row.consumers) and service not in (
            *RECORD_READERS,
            *ASSIGN.consumers,
        ):
            # Whoever has to do with calls looks up the newest event of one after a reconnection.
            yield f"{_API}.DIRECT.GET.{CALLS.name}.{row.wildcard()}"
    if service in ASSIGN.consumers:  # takes over calls: reads that it does, then the record
        yield f"{_API}.DIRECT.GET.{CALLS.name}.{CALL_REASSIGNED.wildcard()}"
        yield HISTORY_REQUEST
    yield from _reads_the_record(service)
    if any(row.plane is Plane.ALERT and service in row.producers for row in CHANNELS):
        yield f"{_API}.STREAM.CREATE.{ALERTS.name}"
        yield f"{_API}.STREAM.UPDATE.{ALERTS.name}"
    for row in CHANNELS:
        if row.plane is Plane.KV and service in (*row.producers, *row.consumers):
            yield from _bucket(row)


def _reads_the_record(service: str) -> Iterator[str]:
    """A durable consumer that is pulled from for analytics, a passing one in order for the command line."""
    if service == "analytics":
        yield f"{_API}.CONSUMER.DURABLE.CREATE.{CALLS.name}.*"
        yield next_of(CALLS.name, "*")
        yield f"$JS.ACK.{CALLS.name}.>"
    elif service == OPERATOR:
        yield f"{_API}.CONSUMER.CREATE.{CALLS.name}"
        yield f"$JS.FC.{CALLS.name}.>"


def _bucket(row: Channel[Any]) -> Iterator[str]:
    """To open and watch a bucket; who may write to it is a matter of the row's producers."""
    stream = f"KV_{row.pattern.split('.')[1]}"
    yield f"{_API}.STREAM.CREATE.{stream}"
    yield f"{_API}.STREAM.INFO.{stream}"
    yield f"{_API}.STREAM.MSG.GET.{stream}"
    yield f"{_API}.DIRECT.GET.{stream}.{row.wildcard()}"
    yield f"{_API}.CONSUMER.CREATE.{stream}"
    yield f"{_API}.CONSUMER.INFO.{stream}.*"
    yield f"$JS.FC.{stream}.>"


def _any(services: Iterable[str], named: tuple[str, ...]) -> bool:
    return any(service in named for service in services)


def _in_order(subjects: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(subjects))
