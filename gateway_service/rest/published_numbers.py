"""Numbers as the call path knows them: from the published snapshots, which are there while SQL is not."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import Final

from contracts.errors import TrunklineError
from contracts.identities import number_key
from contracts.messages import NumberSnapshot
from contracts.streams import ASSISTANTS_BUCKET
from runtime.bus import Bus
from runtime.storage import Bucket

log = logging.getLogger(__name__)

_BETWEEN_DIGITS: Final = re.compile(r"[ ().-]")
_E164: Final = re.compile(r"\+[1-9][0-9]{2,14}")
_PATIENCE_S: Final = 2.0


@dataclass(slots=True)
class PublishedNumbers:
    """Reads the snapshots that router publishes, one at a time."""

    bus: Bus
    _bucket: Bucket[NumberSnapshot] | None = field(default=None, init=False)

    async def find(self, written: str) -> NumberSnapshot | None:
        """The snapshot of a number; None where it has none or cannot be read: router is to be asked then."""
        number = _BETWEEN_DIGITS.sub("", written)
        if _E164.fullmatch(number) is None:
            return None
        try:
            if self._bucket is None:
                self._bucket = await Bucket.open(self.bus, ASSISTANTS_BUCKET, NumberSnapshot, _PATIENCE_S)
            return await self._bucket.get(number_key(number))
        except TrunklineError as error:
            log.warning("no number can be looked up among those published: %s", error)
            return None
