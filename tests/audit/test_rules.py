"""This is where logs break one rule of the format each, with right hashes and signatures: no rule is only implied."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from daemon.audit import frames
from daemon.audit.chain import Chain
from daemon.audit.frames import CHECKPOINT, CLOSE, ENCRYPTED, ENTRY, FILE_MAGIC, LAST, OPEN, RECOVERY, pack_header
from daemon.audit.keys import Keys
from daemon.audit.note import Note, sign_note
from daemon.audit.segment import Opening, Origin, Previous, Reason, Recovery, encode_body, previous, segment_path
from daemon.audit.walk import NO_RATCHET, SEAL, Damage, Walk
from tests.audit.logs import ORIGIN, START, verified

TIME = int(START * 1e6)


@dataclass
class Forge:
    """A writer with the real key that does as it is told."""

    keys: Keys
    chain: Chain = field(default_factory=Chain)
    number: int = 0
    batch: int = 0
    epoch: int = 0
    out: list[bytes] = field(default_factory=list)

    @property
    def origin(self) -> Origin:
        return Origin(ORIGIN, self.keys.public)

    def frame(self, type_: int, body: bytes = b"{}", *, flags: int = LAST, batch: int | None = None) -> None:
        self.batch = self.batch if batch is None else batch
        entry = pack_header(type_, flags, len(body), self.number, self.batch, self.chain.size, TIME) + body
        self.out += (entry, self.chain.extend(entry))
        self.batch += flags & LAST

    def open(self, before: Previous | None = None, *, flags: int = LAST, **changed: Any) -> None:
        self.number, self.batch, self.out = self.number + 1, 0, [FILE_MAGIC]
        reason: Reason = "restart" if before else "init"
        opening = Opening(1, self.origin.log_id, ORIGIN, self.number, reason, bytes(32), self.epoch, before)
        self.frame(OPEN, encode_body(replace(opening, **changed)), flags=flags)

    def entry(self, *, flags: int = LAST | ENCRYPTED) -> None:
        self.frame(ENTRY, bytes(60), flags=flags)

    def checkpoint(
        self, *, epoch: int = 0, ratchet: tuple[bytes, bytes] = NO_RATCHET, intent: int = 0, **changed: Any
    ) -> None:
        note = replace(Note(ORIGIN, self.chain.size, self.chain.root(), intent), **changed)
        seal = SEAL.pack(self.epoch + epoch, TIME, *ratchet)
        self.frame(CHECKPOINT, seal + sign_note(note, self.keys.identity))
        self.epoch += 1

    def end(self) -> Previous:
        return previous(self.number, b"".join(self.out), self.chain)


def _sound(forge: Forge) -> None:
    forge.open()
    forge.entry()
    forge.checkpoint()


def _after_close(forge: Forge) -> None:
    _sound(forge)
    forge.frame(CLOSE)
    forge.entry()


def _unknown_type(forge: Forge) -> None:
    forge.open()
    forge.frame(8)


def _never_defined_type(forge: Forge) -> None:
    forge.open()
    forge.frame(77)


def _reserved_flag(forge: Forge) -> None:
    forge.open()
    forge.entry(flags=LAST | ENCRYPTED | frames.SUBJECT_FIELDS)


def _unknown_flag(forge: Forge) -> None:
    forge.open()
    forge.entry(flags=LAST | ENCRYPTED | 0x8000)


def _plaintext_entry(forge: Forge) -> None:
    forge.open()
    forge.entry(flags=LAST)


def _encrypted_checkpoint(forge: Forge) -> None:
    forge.open()
    forge.frame(CLOSE, flags=LAST | ENCRYPTED)


def _skipped_batch(forge: Forge) -> None:
    forge.open()
    forge.frame(CLOSE, batch=2)


def _entry_in_the_first_batch(forge: Forge) -> None:
    forge.open(flags=0)
    forge.entry()


def _skipped_epoch(forge: Forge) -> None:
    forge.open()
    forge.checkpoint(epoch=1)


def _unknown_ratchet(forge: Forge) -> None:
    forge.open()
    forge.checkpoint(ratchet=(b"k" * 32, b"s" * 64))


def _other_root(forge: Forge) -> None:
    forge.open()
    forge.checkpoint(root=bytes(32))


def _other_size(forge: Forge) -> None:
    forge.open()
    forge.checkpoint(size=0)


def _other_origin(forge: Forge) -> None:
    forge.open()
    forge.checkpoint(origin="t.example/b")


def _fallen_intent(forge: Forge) -> None:
    forge.open()
    forge.checkpoint(intent=5)
    forge.checkpoint(intent=4)


def _short_checkpoint(forge: Forge) -> None:
    forge.open()
    forge.frame(CHECKPOINT, bytes(50))


def _opened_twice(forge: Forge) -> None:
    forge.open()
    forge.frame(OPEN)


def _never_opened(forge: Forge) -> None:
    forge.number, forge.out = 1, [FILE_MAGIC]
    forge.frame(CLOSE)


def _recovery_without_need(forge: Forge) -> None:
    forge.open()
    forge.frame(RECOVERY, encode_body(Recovery("torn", ())))


def _other_format(forge: Forge) -> None:
    forge.open(format=2)


def _other_log(forge: Forge) -> None:
    forge.open(log=bytes(16))


def _other_segment(forge: Forge) -> None:
    forge.open(segment=2)


def _other_first_epoch(forge: Forge) -> None:
    forge.open(epoch=1)


def _begins_by_restart(forge: Forge) -> None:
    forge.open(reason="restart")


def _with_a_ratchet(forge: Forge) -> None:
    forge.open(ratchet={"key": "", "epoch": 0})


def _no_opening(forge: Forge) -> None:
    forge.number, forge.out = 1, [FILE_MAGIC]
    forge.frame(OPEN, b'{"format": 1}')


BROKEN = [
    (_after_close, "after CLOSE"),
    (_unknown_type, "type 8 are unknown"),
    (_never_defined_type, "type 77 are unknown"),
    (_reserved_flag, "flags 0x13 are unknown"),
    (_unknown_flag, "flags 0x8003 are unknown"),
    (_plaintext_entry, "flags 0x1 are unknown"),
    (_encrypted_checkpoint, "flags 0x3 are unknown"),
    (_skipped_batch, "batch 2 after batch 0"),
    (_entry_in_the_first_batch, "unknown"),
    (_skipped_epoch, "epoch 1, expected 0"),
    (_unknown_ratchet, "ratchet"),
    (_other_root, "states another log"),
    (_other_size, "states another log"),
    (_other_origin, "about 't.example/b'"),
    (_fallen_intent, "fell from 5 to 4"),
    (_short_checkpoint, "too few bytes"),
    (_opened_twice, "one OPEN frame"),
    (_never_opened, "one OPEN frame"),
    (_recovery_without_need, "RECOVERY frame stands second"),
    (_other_format, "another log or format"),
    (_other_log, "another log or format"),
    (_other_segment, "says segment 2"),
    (_other_first_epoch, "epoch 1; expected epoch 0"),
    (_begins_by_restart, "opened for 'restart'"),
    (_with_a_ratchet, "not the body of an OPEN frame"),
    (_no_opening, "not the body of an OPEN frame"),
]


def _walk(forge: Forge) -> Walk:
    walk = Walk(forge.origin)
    for _ in walk.segment(1, b"".join(forge.out), newest=True):
        pass
    return walk


def test_the_forge_can_write_a_log_without_a_fault(keys: Keys) -> None:
    forge = Forge(keys)
    _sound(forge)

    assert _walk(forge).sealed is not None


@pytest.mark.parametrize(("forged", "why"), BROKEN, ids=[forged.__name__[1:] for forged, _ in BROKEN])
def test_a_broken_rule_is_named(keys: Keys, forged: Callable[[Forge], None], why: str) -> None:
    forge = Forge(keys)
    forged(forge)

    with pytest.raises(Damage, match=why):
        _walk(forge)


SECOND: list[tuple[str, bool, dict[str, Any], dict[str, Any]]] = [
    ("opened for 'recovery'", True, {"reason": "recovery", "flags": 0}, {}),
    ("opened for 'restart'", False, {}, {}),
    ("opened for 'init'", True, {"reason": "init"}, {}),
    ("not the one that this one continues", True, {}, {"sha256": bytes(32)}),
    ("not the one that this one continues", True, {}, {"size": 1}),
    ("not the one that this one continues", True, {}, {"count": 99}),
    ("not the one that this one continues", True, {}, {"peaks": (bytes(32),)}),
    ("not the one that this one continues", True, {}, {"segment": 3}),
]


@pytest.mark.parametrize(("why", "closed", "opening", "before"), SECOND)
def test_a_segment_that_does_not_continue_the_one_before_is_named(
    keys: Keys, folder: Path, why: str, closed: bool, opening: dict[str, Any], before: dict[str, Any]
) -> None:
    forge = Forge(keys)
    (folder / "seg").mkdir(parents=True)
    (folder / "origin").write_bytes(forge.origin.text())
    _sound(forge)
    if closed:
        forge.frame(CLOSE)
    segment_path(folder, 1).write_bytes(b"".join(forge.out))
    forge.open(replace(forge.end(), **before), **opening)
    segment_path(folder, 2).write_bytes(b"".join(forge.out))

    verdict = verified(folder, expect_size=0)

    assert verdict.code == 1
    assert why in verdict.problems[0]


@pytest.mark.parametrize("tail", [b"\1", b"\0" * 50 + b"\1"])
def test_nothing_but_zeros_follows_a_closed_segment(keys: Keys, tail: bytes) -> None:
    forge = Forge(keys)
    _sound(forge)
    forge.frame(CLOSE)
    forge.out.append(bytes(100))
    assert _walk(forge).torn == 0
    forge.out.append(tail)

    with pytest.raises(Damage, match="a crash does not explain it"):
        _walk(forge)


def test_recovery_entered_in_the_middle_is_not_fooled_by_its_own_entrance(keys: Keys) -> None:
    forge = Forge(keys)
    _sound(forge)
    forge.frame(CLOSE)
    forge.open(replace(forge.end(), peaks=(bytes(32), bytes(32))))

    with pytest.raises(Damage, match="contradicts itself"):
        Walk(forge.origin).enter(2, b"".join(forge.out))
