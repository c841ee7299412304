"""Passwords of accounts and of links, and random tokens: how they are kept and checked; the throttle on guessing."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import math
import threading
import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from studio.access.tables import attempts
from studio.db import Database
from studio.errors import AccessError, ConfigError
from studio.ids import now

__all__ = ["Throttle", "check_password", "folded", "hash_password", "needs_rehash", "token_hash", "verify"]

#: Characters of an account's password.
_LEAST, _MOST = 10, 256

#: Nobody's password is longer, an account's or a link's: what is longer is wrong, whatever it is.
_LONGEST = 1_024

#: Argon2id with 64 MiB, the second choice of RFC 9106, section 4. Spelled out, so that a newer library changes nothing.
_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)

#: No password's hash, made at the same cost: an unknown name takes as long as a known one.
_NOBODYS = f"$argon2id$v=19$m=65536,t=3,p=4${'A' * 22}${'A' * 43}"

#: Each hash takes 64 MiB: more of them at once, and strangers decide how much memory this process has.
_AT_ONCE = threading.BoundedSemaphore(2)

#: Those of ten characters and more that every guesser tries first; without spaces, case folded.
_COMMON = """
0123456789 0987654321 1234567890 12345678910 1234567891 123456789a 1029384756 112233445566 123123123123 1q2w3e4r5t
1q2w3e4r5t6y 1qaz2wsx3edc 5201314520 9876543210 a123456789 abc123456789 abcd123456 abcdefghij adminadmin
admin12345 admin123456 administrator asdfghjkl; changeme123 correcthorsebatterystaple finetunestudio iloveyou123
letmein123 mypassword p@ssw0rd123 password01 password10 password12 password123 password1234 password12345
passwordpassword q1w2e3r4t5 q1w2e3r4t5y6 qwer123456 qwerty12345 qwerty123456 qwertyqwerty qwertyuiop qwertyuiop123
welcome123 welcome1234 woaini1314 woaini1314520 woaini520520 zaq12wsxcde zxcvbnm123
"""

# Wrong passwords within the window: of one target from one address, from one address, of one target.
_WINDOW = timedelta(minutes=15)
_MOST_OF_BOTH, _MOST_OF_ADDRESS, _MOST_OF_TARGET = 5, 20, 50

#: Rows in one write (CONTRACTS 3).
_BATCH = 1_000

#: One at a time for each target and each address; unlike ones share a lock now and then.
_TURNS = [threading.Lock() for _ in range(64)]


def folded(words: str) -> str:
    """The same for words that look the same but for width, case, space and invisible joiners (NFKC, case folded)."""
    words = unicodedata.normalize("NFKC", words.translate({0x200C: None, 0x200D: None}))
    return " ".join(unicodedata.normalize("NFKC", words.casefold()).split())


def _bytes(password: str) -> bytes:
    # The same password comes in other code points from another keyboard (NIST SP 800-63B, 5.1.1.2), and HTTP may bring
    # lone surrogates.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def token_hash(token: str) -> str:
    """What is kept of a random token; it needs no salt and no slowness, for nobody guesses 256 bits."""
    # What comes by HTTP may hold lone surrogates.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def hash_password(password: str) -> str:
    """Takes 64 MiB and a tenth of a second, more on a busy machine."""
    with _AT_ONCE:
        return _HASHER.hash(_bytes(password))


def verify(kept: str | None, password: str) -> bool:
    """Whether this is the password whose hash was kept; where there is none it is wrong, after the same time."""
    if len(password) > _LONGEST:
        kept, password = None, ""
    with _AT_ONCE:
        try:
            return _HASHER.verify(kept or _NOBODYS, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False


def needs_rehash(kept: str) -> bool:
    """Whether a hash was made at another cost than today's."""
    return _HASHER.check_needs_rehash(kept)


def check_password(password: str, name: str) -> None:
    """Raises ConfigError for one that the account called `name` should not have."""
    if not _LEAST <= len(password) <= _MOST:
        raise ConfigError("error.password.length", field="password", least=_LEAST, most=_MOST)
    plain = folded(password)
    if plain == folded(name):
        raise ConfigError("error.password.is_name", field="password")
    if len(set(plain)) <= 1 or plain.replace(" ", "") in _COMMON.split():
        raise ConfigError("error.password.easy", field="password")


class Throttle:
    """Counts the wrong passwords of the last 15 minutes. `target` is whose password: a name's key, or a link's id.

    `clock` tells the moment, in UTC.
    """

    def __init__(self, db: Database, clock: Callable[[], datetime] = now) -> None:
        self._db = db
        self._clock = clock

    def check(self, target: str, address: str) -> None:
        """Raises AccessError, with the minutes to wait, where there were too many."""
        target, address, moment = _fit(target, 80), _neighbourhood(address), self._clock()
        mine = (attempts.c.target == target) | (attempts.c.address == address)
        recent = sa.select(attempts.c.target, attempts.c.address, attempts.c.at).where(mine, attempts.c.at > moment - _WINDOW)
        with self._db.read() as connection:
            found = connection.execute(recent.order_by(attempts.c.at.desc(), attempts.c.id.desc())).all()
        waits = [timedelta(0)]
        for most, times in (
            (_MOST_OF_BOTH, [row.at for row in found if row.target == target and row.address == address]),
            (_MOST_OF_ADDRESS, [row.at for row in found if row.address == address]),
            (_MOST_OF_TARGET, [row.at for row in found if row.target == target]),
        ):
            waits += [at + _WINDOW - moment for at in times[most - 1 : most]]
        if max(waits) > timedelta(0):
            raise AccessError("error.access.too_many", minutes=math.ceil(max(waits) / timedelta(minutes=1)))

    @contextlib.contextmanager
    def trying(self, target: str, address: str) -> Iterator[None]:
        """`check`, and until the block ends nobody else tries this target or from this address. So guesses that come all
        at once are counted as if they came one after the other. Say inside how it ended.
        """
        self.check(target, address)
        turns = {hash(("target", target)) % len(_TURNS), hash(("address", _neighbourhood(address))) % len(_TURNS)}
        with contextlib.ExitStack() as held:
            for turn in sorted(turns):  # always in this order: two never wait for each other
                held.enter_context(_TURNS[turn])
            self.check(target, address)
            yield

    def failed(self, target: str, address: str) -> None:
        moment = self._clock()
        old = sa.select(attempts.c.id).where(attempts.c.at <= moment - _WINDOW).limit(_BATCH)
        values = {"target": _fit(target, 80), "address": _neighbourhood(address), "at": moment}
        with self._db.write() as connection:
            connection.execute(attempts.delete().where(attempts.c.id.in_(old)))
            connection.execute(attempts.insert().values(**values))

    def succeeded(self, target: str, address: str) -> None:
        """Who knows the password has mistyped it before, and guessed nothing: that is forgotten, for this target."""
        same = (attempts.c.target == _fit(target, 80)) & (attempts.c.address == _neighbourhood(address))
        with self._db.write() as connection:
            connection.execute(attempts.delete().where(same))


def _neighbourhood(address: str) -> str:
    """Of IPv6 the first half: everybody is given the second half whole, 2⁶⁴ addresses to guess from."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return _fit(address, 64)
    if isinstance(known, ipaddress.IPv4Address):
        return str(known)
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((int(known) >> 64 << 64, 64)))


def _fit(words: str, length: int) -> str:
    """As a column can hold it: PostgreSQL takes neither null bytes nor lone surrogates."""
    return words.replace("\0", "").encode("utf-8", "replace").decode("utf-8")[:length]
