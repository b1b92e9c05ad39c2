"""This is where someone without the keys tries to change a log, and everyone with the public key finds out."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daemon.audit.chain import EMPTY, Chain
from daemon.audit.frames import CHECKPOINT, ENTRY, FILE_MAGIC, HEADER_SIZE, Frame, pack_header
from daemon.audit.keys import Keys, create_keys
from daemon.audit.note import Note, read_note, sign_note
from daemon.audit.reading import read_entries
from daemon.audit.segment import list_segments, read_origin, segment_path, sidecar_path
from daemon.audit.walk import SEAL
from daemon.errors import AuditError
from tests.audit.logs import (
    HOUR,
    START,
    Clock,
    begin,
    copy,
    crash,
    entries,
    frames_of,
    newest,
    put,
    reopen,
    three_segments,
    verified,
)


@pytest.fixture
def log(folder: Path, keys: Keys) -> Path:
    """A closed log of three segments that verifies."""
    three_segments(folder, keys)
    assert (verified(folder).code, verified(folder).problems) == (0, ())
    return folder


def test_one_flipped_bit_anywhere_is_found_and_placed(log: Path) -> None:
    for number in list_segments(log):
        path = segment_path(log, number)
        whole = path.read_bytes()
        starts = [frame.start for frame in frames_of(whole)]
        for at in range(len(whole)):
            changed = bytearray(whole)
            changed[at] ^= 1 << at % 8
            put(path, bytes(changed))
            verdict = verified(log)
            assert verdict.code == 1, (number, at)
            assert verdict.first_bad is not None
            expected = max((start for start in starts if start <= at), default=0)
            assert (verdict.first_bad.segment, verdict.first_bad.offset) == (number, expected), (number, at)
        put(path, whole)


def test_every_cut_of_a_finished_segment_is_found(log: Path) -> None:
    for number in list_segments(log)[:-1]:
        path = segment_path(log, number)
        whole = path.read_bytes()
        for size in range(len(whole)):
            put(path, whole[:size])
            assert verified(log, expect_size=0).code == 1, (number, size)
        put(path, whole)


def test_every_cut_of_the_newest_segment_is_found_by_the_remembered_size(log: Path) -> None:
    path = newest(log)
    whole = path.read_bytes()
    size = verified(log).size
    (log / "state").unlink()  # somebody else remembers
    (log / "checkpoint").unlink()

    for cut in range(len(whole)):
        put(path, whole[:cut])
        assert verified(log, expect_size=size).code in (1, 2), cut


def _edits(frames: list[Frame], raw: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    for at in range(len(frames)):
        yield f"remove {at}", raw[:at] + raw[at + 1 :]
        yield f"repeat {at}", raw[: at + 1] + raw[at:]
        if at + 1 < len(raw):
            yield f"swap {at}", [*raw[:at], raw[at + 1], raw[at], *raw[at + 2 :]]


def test_removed_repeated_and_swapped_frames_are_found(log: Path) -> None:
    count = 0
    for number in list_segments(log):
        path = segment_path(log, number)
        whole = path.read_bytes()
        frames = frames_of(whole)
        for name, raw in _edits(frames, [whole[frame.start : frame.end] for frame in frames]):
            put(path, FILE_MAGIC + b"".join(raw))
            # the last frame gone without a trace is a shorter log, which is code 2
            assert verified(log).code == (2 if name == f"remove {len(frames) - 1}" and path == newest(log) else 1), name
            count += 1
        put(path, whole)
    assert count > 30


@pytest.mark.parametrize(("which", "code"), [(0, 1), (1, 1), (2, 2)])
def test_a_missing_segment_is_found(log: Path, which: int, code: int) -> None:
    segment_path(log, list_segments(log)[which]).unlink()

    verdict = verified(log)
    assert verdict.code == code
    assert ("the segment is missing" in verdict.problems[0]) == (code == 1)


def _rechain(log: Path, keys: Keys, edit: int) -> None:
    """Changes the ciphertext of entry frame *edit* and makes every later hash, and the sizes in OPEN, fit again."""
    chain, seen = Chain(0, EMPTY), 0
    for number in list_segments(log):
        path = segment_path(log, number)
        out = [FILE_MAGIC]
        for frame in frames_of(path.read_bytes()):
            body = frame.body
            if frame.type == ENTRY:
                body = body[:-1] + bytes([body[-1] ^ 1]) if seen == edit else body
                seen += 1
            header = pack_header(frame.type, frame.flags, len(body), frame.segment, frame.batch, frame.seq, frame.time)
            out += (header + body, chain.extend(header + body))
        put(path, b"".join(out))


def test_a_log_chained_anew_without_the_key_is_found(log: Path, keys: Keys) -> None:
    (log / "state").unlink()
    (log / "checkpoint").unlink()

    _rechain(log, keys, edit=0)

    verdict = verified(log)
    assert verdict.code == 1
    assert "states another log" in verdict.problems[0]


def test_a_log_signed_anew_with_another_key_is_found(log: Path, keys: Keys) -> None:
    forger = Ed25519PrivateKey.generate()
    origin = read_origin(log)
    chain = Chain()
    data = segment_path(log, 1).read_bytes()
    out = [FILE_MAGIC]
    for frame in frames_of(data):
        body = frame.body
        if frame.type == CHECKPOINT:
            body = body[: SEAL.size] + sign_note(Note(origin.name, chain.size, chain.root(), 0), forger)
        header = pack_header(frame.type, frame.flags, len(body), 1, frame.batch, frame.seq, frame.time)
        out += (header + body, chain.extend(header + body))
    put(segment_path(log, 1), b"".join(out))

    verdict = verified(log)

    assert verdict.code == 3
    assert "rewritten by someone without the key" in verdict.problems[0]


def test_another_folders_log_is_not_this_log(log: Path, keys: Keys, tmp_path: Path) -> None:
    stranger = create_keys(tmp_path / "stranger")
    other = three_segments(tmp_path / "other", stranger)

    assert verified(other).code == 0
    assert verified(other, identity=keys.public).code == 3
    assert verified(log, identity=keys.public).code == 0
    (other / "origin").write_bytes((log / "origin").read_bytes())
    assert verified(other).code == 3


def test_a_changed_origin_file_proves_nothing(log: Path) -> None:
    whole = (log / "origin").read_bytes()

    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1
        put(log / "origin", bytes(changed))
        assert verified(log).code != 0, at


def test_nothing_to_verify_is_never_a_success(log: Path, tmp_path: Path) -> None:
    for path in (log / "seg").iterdir():
        path.unlink()

    assert verified(log).code == 3
    assert verified(tmp_path / "nowhere").code == 3
    (tmp_path / "empty").mkdir()
    assert verified(tmp_path / "empty").code == 3


def test_an_older_copy_of_the_folder_is_refused_by_who_remembers(
    folder: Path, keys: Keys, clock: Clock, tmp_path: Path
) -> None:
    three_segments(folder, keys)
    old = copy(folder, tmp_path / "old")
    log = reopen(folder, keys, clock)
    log.append(entries(3))
    log.close()
    size = verified(folder).size

    assert verified(old).code == 0
    assert verified(old, expect_size=size).code == 2
    with pytest.raises(AuditError, match=f"remembered {size}"):
        reopen(old, keys, clock, remembered=size)
    reopen(folder, keys, clock, remembered=size).close()


def test_a_shorter_log_is_refused_at_the_start(log: Path, keys: Keys, clock: Clock) -> None:
    newest(log).unlink()
    sidecar_path(log, 3).unlink()

    with pytest.raises(AuditError, match=r"log ends at \d+, remembered"):
        reopen(log, keys, clock)
    assert verified(log).code == 2


@pytest.mark.parametrize("which", [0, 1])
def test_a_log_with_a_gap_is_not_continued(log: Path, keys: Keys, clock: Clock, which: int) -> None:
    path = segment_path(log, list_segments(log)[which])
    path.unlink()

    with pytest.raises(AuditError, match=f"{path.name}: missing"):
        reopen(log, keys, clock)


def test_a_newest_segment_that_was_wiped_is_refused(log: Path, keys: Keys, clock: Clock) -> None:
    for wiped in (b"", bytes(5000)):
        put(newest(log), wiped)
        with pytest.raises(AuditError, match=r"log ends at \d+, remembered"):
            reopen(log, keys, clock)
        assert newest(log).read_bytes() == wiped


def test_a_fork_from_the_same_beginning_is_refused(folder: Path, keys: Keys, clock: Clock, tmp_path: Path) -> None:
    three_segments(folder, keys)
    fork = copy(folder, tmp_path / "fork")
    for place, tag in ((folder, "here"), (fork, "there")):
        log = reopen(place, keys, clock)
        log.append(entries(2, tag=tag))
        log.close()
    for name in ("checkpoint", "state"):
        own = (fork / name).read_bytes()
        put(fork / name, (folder / name).read_bytes())
        assert verified(fork).code == 1
        assert f"the file `{name}`" in verified(fork).problems[0]
        put(fork / name, own)
    put(fork / "state", (folder / "state").read_bytes())

    with pytest.raises(AuditError, match="another log of this size"):
        reopen(fork, keys, clock)


def test_a_stale_log_is_incomplete(log: Path) -> None:
    assert verified(log, now=START + HOUR + 200, max_age=300).code == 0

    stale = verified(log, now=START + HOUR + 400, max_age=300)

    assert stale.code == 2
    assert "400 s old" in stale.problems[0]


def test_entries_that_stay_unsealed_are_told(folder: Path, keys: Keys, clock: Clock) -> None:
    begin(folder, keys)
    log = reopen(folder, keys, clock)
    log.append(entries(3))
    crash(log)

    assert (verified(folder, now=START + 2).code, verified(folder, now=START + 2).unsealed) == (0, 3)
    late = verified(folder, now=START + 60)
    assert late.code == 2
    assert late.problems == ("unsealed: 3 entries, the first 60 s old; starting the daemon seals them",)


def test_a_torn_tail_is_no_fault_while_it_is_young(log: Path) -> None:
    path = newest(log)
    put(path, path.read_bytes()[:-10])
    (log / "state").unlink()
    written = path.stat().st_mtime

    young, old = (verified(log, expect_size=0, now=written + age) for age in (1, 60))

    assert (young.code, young.problems) == (0, ())
    assert young.torn == old.torn > 0
    assert old.code == 2
    assert "unfinished write" in old.problems[0]


def test_entries_chained_on_by_someone_without_the_key_stay_unsealed(log: Path, keys: Keys) -> None:
    path = newest(log)
    whole = path.read_bytes()
    end = frames_of(whole)[-1]
    chain = Chain(end.seq, frames_of(whole)[-2].chain)
    body = bytes(40)
    header = pack_header(ENTRY, 3, len(body), end.segment, end.batch, end.seq, int((START + HOUR) * 1e6))
    forged = header + body
    chain.peaks = [EMPTY] * chain.size.bit_count()
    put(path, whole[: end.start] + forged + chain.extend(forged))
    (log / "state").unlink()

    verdict = verified(log, expect_size=0, now=START + HOUR + 60)

    assert verdict.code == 2
    assert "unsealed: 1 entries" in verdict.problems[0]


def test_swapped_sidecars_are_noticed_before_anything_is_shown(log: Path, keys: Keys) -> None:
    second, third = sidecar_path(log, 2).read_bytes(), sidecar_path(log, 3).read_bytes()
    put(sidecar_path(log, 2), third)
    put(sidecar_path(log, 3), second)

    assert verified(log).code == 0  # sidecars are not hashed, so that keys can be rotated and shredded
    with pytest.raises(AuditError, match=r"0000000002\.keys: belongs to another segment"):
        list(read_entries(log, keys))


def test_a_lost_sidecar_is_named(log: Path, keys: Keys) -> None:
    sidecar_path(log, 3).unlink()

    with pytest.raises(AuditError, match=r"0000000003\.keys.*cannot be read"):
        list(read_entries(log, keys))


def test_reading_stops_at_what_cannot_be_believed(log: Path, keys: Keys) -> None:
    path = segment_path(log, 2)
    whole = path.read_bytes()
    entry = next(frame for frame in frames_of(whole) if frame.type == ENTRY)
    changed = bytearray(whole)
    changed[entry.start + HEADER_SIZE + 20] ^= 1
    put(path, bytes(changed))

    with pytest.raises(AuditError, match=rf"0000000002\.seg, byte {entry.start}, sequence {entry.seq}"):
        list(read_entries(log, keys))


def test_a_giant_a_link_and_a_pipe_are_refused_quickly(log: Path, tmp_path: Path) -> None:
    path = newest(log)
    whole = path.read_bytes()

    path.unlink()
    path.touch()
    os.truncate(path, 10 * 1024**3)
    assert verified(log).code == 1
    path.unlink()
    (tmp_path / "elsewhere").write_bytes(whole)
    path.symlink_to(tmp_path / "elsewhere")
    assert verified(log).code == 1
    path.unlink()
    os.mkfifo(path)
    assert verified(log).code == 1


def test_a_lost_or_broken_memory_is_told_and_does_not_stop_a_start(log: Path, keys: Keys, clock: Clock) -> None:
    state = (log / "state").read_bytes()
    put(log / "state", state.replace(b'"segment":3', b'"segment":2'))
    assert "checksum is wrong" in verified(log).problems[0]
    put(log / "state", b"")
    put(log / "checkpoint", b"nonsense")

    verdict = verified(log)

    assert verdict.code == 2
    assert [problem.split(":")[0] for problem in verdict.problems] == ["state", "checkpoint"]
    reopen(log, keys, clock).close()
    assert verified(log).code == 0


def test_a_signed_checkpoint_that_the_log_does_not_hold_is_found(log: Path, keys: Keys) -> None:
    signed = sign_note(Note(read_origin(log).name, 3, bytes(32), 0), keys.identity)
    put(log / "checkpoint", signed)

    verdict = verified(log)

    assert verdict.code == 1
    assert "is not in the log" in verdict.problems[0]


def test_the_published_checkpoint_is_the_logs_own(log: Path) -> None:
    origin = read_origin(log)

    note = read_note((log / "checkpoint").read_bytes(), origin=origin.name, public=origin.public)

    assert note == Note(origin.name, verified(log).sealed_size, note.root, 2)
