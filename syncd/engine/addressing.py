"""Addressing: one digest becomes the commands of one plan row, each with its key, target and payload."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any, Final

import msgspec

from syncd.engine.identity import contacts_of, roots
from syncd.engine.workspace import Workspace
from syncd.errors import ConfigError
from syncd.mapping.apply import PushRule
from syncd.model.communication import CommunicationRecord, Digest
from syncd.sdk.connector import OperationSpec, Role
from syncd.settings import AccountSettings, PlanRow, ProjectSettings
from syncd.store import outbox
from syncd.store.outbox import Intent, Row

_KEY_LENGTH: Final = 40
_RECIPIENT: Final = "recipient"


def intents(
    space: Workspace,
    account: AccountSettings,
    project: ProjectSettings,
    row: PlanRow,
    made: CommunicationRecord,
    digest: Digest,
    *,
    slot: str,
) -> Iterator[Intent]:
    """Yield the commands that bring `digest` to the readers of `row`.

    One for each person where the channel takes addresses, one where the connection is the channel itself (a chat
    group), one for each record of the project elsewhere.
    """
    rule = space.mapping(row.channel).push_rule("Digest")
    if rule is None:
        raise ConfigError(f"{row.channel!r} cannot send a digest; its mapping has no push rule for Digest")
    operation = space.spec(row.channel).operation(rule.operation)
    for recipient, targets in _readers(space, account, project, row, rule):
        target_id = _target(rule, targets)
        reader = target_id or recipient
        reader = reader.casefold() if _RECIPIENT in targets else reader  # one person, however the address is written
        key = idempotency_key(account.id, project.name, slot, row.channel, rule.operation, reader)
        source = _source(space, account, project, made, digest, key=key, recipient=recipient, targets=targets)
        payload = rule.payload(source)
        _check_size(operation, payload, row)
        yield Intent(
            idempotency_key=key,
            account=account.id,
            project=project.name,
            record=made.id,
            audience=row.audience,
            recipient=recipient,
            connection=row.channel,
            operation=rule.operation,
            delivery=operation.delivery,
            target_id=target_id,
            payload=payload,
            payload_hash=hashlib.sha256(msgspec.json.encode(payload, order="sorted")).hexdigest(),
            is_quiet=digest.is_quiet,
        )


def idempotency_key(*parts: str) -> str:
    """Return the key of one send: the same client, project, slot, connection and reader give the same key."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:_KEY_LENGTH]


def objection(space: Workspace, row: Row) -> str | None:
    """Say why a queued command's reader is not meant to get it by the client's file as it is now, None if they are."""
    file = f"accounts/{row.account}.yaml"
    account = space.config.accounts.get(row.account)
    if account is None:
        return f"the client {row.account!r} has no file any more"
    if not row.recipient:  # a record of the project, not a reader
        return None
    audience = account.audiences.get(row.audience)
    wanted = {(one.audience, one.channel) for one in account.plan}
    if audience is None or (row.audience, row.connection) not in wanted:
        return f"{file} no longer sends to audience {row.audience!r} over {row.connection!r}"
    is_person = "@" in row.recipient
    if is_person and row.recipient.casefold() not in {address.casefold() for address in audience.addresses}:
        return f"{row.recipient} is no longer in audience {row.audience!r} of {file}"
    return None


def _readers(
    space: Workspace, account: AccountSettings, project: ProjectSettings, row: PlanRow, rule: PushRule
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield (recipient, target ids) per command: people, the one channel behind the connection, or records."""
    if rule.posts_to_channel:
        yield row.channel, {}
        return
    if space.spec(row.channel).role is Role.CHANNEL or rule.target == _RECIPIENT:
        addresses = account.audiences[row.audience].addresses
        if unwilling := "; ".join(_unwilling(space, account, addresses)):
            raise ConfigError(f"{unwilling}; take them out of audience {row.audience!r}, or clear the mark there")
        for address in addresses:
            yield address, {_RECIPIENT: address}
        return
    entries = [source.targets for source in project.sources if source.connection == row.channel]
    fitting = [targets for targets in entries if any(key in targets for key in _keys(rule))]
    if not fitting:
        raise ConfigError(
            f"project {project.name!r} has no {' or '.join(_keys(rule))} under `from` for connection {row.channel!r}, "
            "so there is nothing to attach the digest to"
        )
    yield from (("", targets) for targets in fitting)


def _unwilling(space: Workspace, account: AccountSettings, addresses: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each of the addresses whose contact is marked as not to be contacted in a system."""
    wanted = {address.casefold() for address in addresses}
    with space.store.read() as connection:
        companies = [roots(connection, project) for project in account.projects]
        found = [contact for root in companies for contact in contacts_of(connection, root)]
    marked = {contact.id: contact for contact in found if contact.do_not_contact and contact.email}
    for contact in marked.values():
        if str(contact.email).strip().casefold() in wanted:
            yield f"{contact.email} is marked as not to be contacted in {contact.ref.connection!r}"


def refusal(space: Workspace, row: Row) -> str | None:
    """Say that a queued command's reader was marked as not to be contacted since, None if they were not."""
    account = space.config.accounts.get(row.account)
    if account is None or "@" not in row.recipient:
        return None
    return next(_unwilling(space, account, [row.recipient]), None)


def _keys(rule: PushRule) -> list[str]:
    return [part.strip() for part in (rule.target or "").split("|") if part.strip()]


def _target(rule: PushRule, targets: Mapping[str, str]) -> str | None:
    return next((targets[key] for key in (*_keys(rule), _RECIPIENT) if key in targets), None)


def _source(
    space: Workspace,
    account: AccountSettings,
    project: ProjectSettings,
    made: CommunicationRecord,
    digest: Digest,
    *,
    key: str,
    recipient: str,
    targets: Mapping[str, str],
) -> dict[str, Any]:
    """Return what a push rule may take its payload from."""
    names = {person.email.casefold(): person.name for person in made.key_contacts if person.email}
    return {
        "subject": digest.subject,
        "preheader": digest.preheader,
        "body_text": digest.body_text,
        "body_markdown": digest.body_markdown,
        "body_html": digest.body_html,
        "images": dict(digest.images),
        "locale": digest.locale,
        "idempotency_key": key,
        "mark": f"syncd:{key}",
        "recipient": _reader(targets.get(_RECIPIENT, ""), names),
        "thread": _thread(space, account, project, made, recipient),
        "account": {"name": account.account, "id": account.id},
        "project": {"name": project.name},
        "record": {
            "number": made.number,
            "period_start": made.period_start.isoformat(),
            "period_end": made.period_end.isoformat(),
        },
        "target": dict(targets),
    }


def _reader(address: str, names: Mapping[str, str]) -> dict[str, str | None]:
    name = names.get(address.casefold())
    return {"email": address, "name": name if name != address else None}


def _thread(
    space: Workspace, account: AccountSettings, project: ProjectSettings, made: CommunicationRecord, recipient: str
) -> dict[str, str]:
    """Return the thread that a message belongs to: one per reader, project and quarter."""
    end = made.period_end.astimezone(UTC)
    quarter = f"{end.year}Q{(end.month + 2) // 3}"
    thread = {"root": idempotency_key("thread", account.id, project.name, quarter, recipient)}
    if recipient:
        with space.store.read() as connection:
            parent = outbox.last_sent(connection, account.id, project.name, recipient)
        if parent:
            thread["parent"] = parent
    return thread


def _check_size(operation: OperationSpec, payload: Mapping[str, Any], row: PlanRow) -> None:
    if operation.max_bytes is None:
        return
    size = len(msgspec.json.encode(payload))
    if size > operation.max_bytes:
        raise ConfigError(
            f"{operation.name} on {row.channel!r} takes {operation.max_bytes:,} bytes and this needs {size:,}; "
            "use `content: brief` for this row"
        )
