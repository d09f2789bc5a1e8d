"""The fake's side of an SMTP conversation, on aiosmtpd, and the thread that it runs in."""
# aiosmtpd finds its hooks by these names.
# ruff: noqa: N802

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
import weakref
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiosmtpd.smtp import MISSING, SMTP, Envelope, Session

if TYPE_CHECKING:
    from connectors.email.fake import Fake

CUT: Final = "cut"  # reset the connection instead of answering
CUT_SHORT: Final = "cut short"  # send half a reply, then close
SILENCE: Final = "silence"  # answer after `seconds`
NEEDS_LOGIN: Final = "530 5.7.0 Authentication required"


@dataclass(slots=True)
class Planned:
    """A fault in waiting: at which step, with what reply, how often, after how many that are let through."""

    step: str
    reply: str
    left: int
    after: int
    seconds: float


class Dialogue(SMTP):
    """One connection. Hooks that end the conversation raise CancelledError, as aiosmtpd does for a lost peer."""

    def __init__(self, fake: Fake, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            self,
            loop=loop,
            hostname="fake.invalid",
            ident="ESMTP fake",
            data_size_limit=fake.size_limit,
            enable_SMTPUTF8=fake.smtputf8,
            tls_context=fake.starttls,
            require_starttls=fake.starttls is not None,
            auth_require_tls=False,
        )
        self._fake = fake
        self._greeted = False
        self._user: str | None = None

    async def push(self, status: Any) -> None:
        """Send a reply; the first one is the greeting."""
        if not self._greeted:
            self._greeted = True
            status = await self._strike("GREETING") or status
        await super().push(status)

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offer login only where it may be used."""
        session.host_name = hostname
        if reply := await self._strike("EHLO"):
            return [reply]
        open_to_login = self._fake.accounts and (self._is_encrypted or not self._fake.starttls)
        offered = [line for line in responses if not line.startswith("250-AUTH")]
        return [*offered[:-1], f"250-AUTH {self._fake.mechanisms}", offered[-1]] if open_to_login else offered

    async def handle_AUTH(self, server: SMTP, session: Session, envelope: Envelope, args: list[str]) -> str:
        """Check PLAIN and LOGIN; aiosmtpd's own way logs a deprecation at every login."""
        if reply := await self._strike("AUTH"):
            return reply
        if args[0] not in self._fake.mechanisms.split():
            return "504 5.5.4 Unrecognized authentication type"
        user, password = await self._credentials(args)
        if self._fake.accounts.get(user) != password:
            return "535 5.7.8 Error: authentication failed"
        session.authenticated = True
        self._user = user
        return "235 2.7.0 Authentication successful"

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the sender."""
        if reply := await self._strike("MAIL"):
            return reply
        if self._fake.accounts and not session.authenticated:
            return NEEDS_LOGIN
        envelope.mail_from = address
        return "250 2.1.0 Ok"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take or refuse a recipient."""
        if reply := await self._strike("RCPT"):
            return reply
        if address in self._fake.unknown_recipients:
            return f"550 5.1.1 <{address}>: Recipient address rejected: User unknown"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def smtp_DATA(self, arg: str) -> None:
        """Take the message, unless a fault strikes before or in the middle of it."""
        if reply := await self._strike("DATA"):
            await self.push(reply)
            return
        if planned := self._fake.plan_for("CONTENT"):
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            await self._reader.readuntil(b"\r\n")
            await self._act(planned)
        await super().smtp_DATA(arg)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Store the message, then answer, or not."""
        planned = self._fake.plan_for("DONE")
        if planned and planned.reply[:1] in "45":
            return planned.reply
        accepted = self._fake.take(envelope, user=self._user, encrypted=self._is_encrypted)
        return (await self._act(planned) if planned else None) or accepted

    @property
    def _is_encrypted(self) -> bool:
        return self.transport is not None and self.transport.get_extra_info("sslcontext") is not None

    async def _credentials(self, args: list[str]) -> tuple[str, str]:
        if args[0] == "PLAIN":
            blob = b64decode(args[1]) if len(args) > 1 else await self._challenge("")
            _, user, password = blob.split(b"\0")
        else:
            user, password = await self._challenge("Username:"), await self._challenge("Password:")
        return user.decode(), password.decode()

    async def _challenge(self, text: str) -> bytes:
        answer = await self.challenge_auth(text)
        return b"" if answer is MISSING else bytes(answer)

    async def _strike(self, step: str) -> str | None:
        planned = self._fake.plan_for(step)
        return await self._act(planned) if planned else None

    async def _act(self, planned: Planned) -> str | None:
        """Do what is planned and return the reply to give; None goes on as usual."""
        if planned.reply == SILENCE:
            await asyncio.sleep(planned.seconds)
            return None
        if planned.reply == CUT:
            self._reset()
        if planned.reply == CUT_SHORT:
            self._writer.write(b"25")
            self._writer.close()
            raise asyncio.CancelledError
        return planned.reply

    def _reset(self) -> None:
        """Reset the connection instead of closing it in good order."""
        if self.transport is not None:
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.cut_off()
        raise asyncio.CancelledError

    def cut_off(self) -> None:
        """Drop the connection."""
        transport = self._original_transport or self.transport
        if isinstance(transport, asyncio.Transport):
            transport.abort()


class Runner:
    """An event loop in a thread of its own, until `stop`; aiosmtpd's controller leaves open connections behind."""

    def __init__(
        self, dialogue: Callable[[asyncio.AbstractEventLoop], Dialogue], port: int, tls: ssl.SSLContext | None
    ) -> None:
        self._dialogue = dialogue
        self._dialogues: weakref.WeakSet[Dialogue] = weakref.WeakSet()
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="smtp-fake", daemon=True)
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Close everything and wait for the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        # A peer that goes away in the middle is nothing to print.
        self._loop.set_exception_handler(lambda loop, context: None)
        server = self._loop.run_until_complete(self._loop.create_server(self._made, sock=self._listener, ssl=self._tls))
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._wind_up())
        self._loop.close()

    def _made(self) -> Dialogue:
        dialogue = self._dialogue(self._loop)
        self._dialogues.add(dialogue)
        return dialogue

    async def _wind_up(self) -> None:
        for dialogue in list(self._dialogues):
            dialogue.cut_off()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
