"""This is where the bytes that others rely on are pinned: headers, hashes, trees, notes, keys."""

import base64
import hashlib
import itertools
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daemon.audit.chain import Chain, leaf_hash, node_hash
from daemon.audit.entries import Entry, decode_entry, encode_entry
from daemon.audit.frames import ENTRY, HEADER_SIZE, LAST, frame_at, header_at, pack_header
from daemon.audit.keys import Keys, create_keys, load_keys, segment_key
from daemon.audit.note import Note, NoteError, UnknownSigner, parse_verifier_key, read_note, sign_note, verifier_key
from daemon.errors import AuditError

# the test leaves and roots of RFC 6962's reference implementation (certificate-transparency, merkle_tree_test)
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_the_tree_is_the_tree_of_rfc_6962() -> None:
    chain = Chain()

    roots = [chain.root().hex()]
    for leaf in LEAVES:
        chain.extend(bytes.fromhex(leaf))
        roots.append(chain.root().hex())

    assert roots == ROOTS


def test_a_tree_goes_on_from_its_peaks() -> None:
    whole, resumed = Chain(), Chain()
    for number in range(11):
        whole.extend(bytes([number]))
    resumed = Chain(whole.size, whole.hash, list(whole.peaks))

    for chain in (whole, resumed):
        chain.extend(b"next")

    assert resumed.head() == whole.head()
    assert len(resumed.peaks) == (12).bit_count()


def test_inner_nodes_and_leaves_cannot_be_confused() -> None:
    assert leaf_hash(b"ab") == hashlib.sha256(b"\x00ab").digest()
    assert node_hash(b"a", b"b") == hashlib.sha256(b"\x01ab").digest()


def test_a_header_has_these_forty_bytes() -> None:
    header = pack_header(ENTRY, LAST, 5, 7, 9, 2**40, 1_750_000_000_000_000)

    assert len(header) == HEADER_SIZE
    assert header[:36].hex() == "414c46310102000100000005000000070000000900000100000000000006379da05b6000"


def test_a_header_with_any_flipped_bit_is_none() -> None:
    header = pack_header(ENTRY, LAST, 0, 1, 1, 1, 1)

    for bit in range(len(header) * 8):
        changed = bytearray(header)
        changed[bit // 8] ^= 1 << bit % 8
        assert header_at(bytes(changed), 0) is None


def test_a_frame_that_ends_after_the_file_is_none() -> None:
    raw = pack_header(ENTRY, LAST, 4, 1, 1, 1, 1) + b"body" + bytes(32)

    assert frame_at(raw, 0) is not None
    assert all(frame_at(raw[:cut], 0) is None for cut in range(len(raw)))


def test_a_note_is_read_back_only_by_its_own_key() -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    note = Note("n.example/audit", 96_004, bytes(range(32)), 812)
    public = key.public_key().public_bytes_raw()

    signed = sign_note(note, key)

    assert signed.decode().splitlines()[:4] == [
        "n.example/audit",
        "96004",
        base64.b64encode(note.root).decode(),
        "tallystick intent 812",
    ]
    assert read_note(signed, origin=note.origin, public=public) == note
    with pytest.raises(UnknownSigner):
        read_note(signed, origin=note.origin, public=other.public_key().public_bytes_raw())
    with pytest.raises(NoteError, match="about"):
        read_note(signed, origin="m.example/audit", public=public)


def test_no_changed_note_is_believed() -> None:
    note = Note("n.example/audit", 4, bytes(32), 1)

    for seed in range(8):  # base64 leaves two bits open at the end of a signature: another spelling is a change, too
        key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        signed = sign_note(note, key)
        for at, bit in itertools.product(range(len(signed)), range(8)):
            changed = bytearray(signed)
            changed[at] ^= 1 << bit
            with pytest.raises(NoteError):
                read_note(bytes(changed), origin=note.origin, public=key.public_key().public_bytes_raw())


def test_the_key_id_is_that_of_the_go_checksum_database() -> None:
    # the verifier key of sum.golang.org, as the Go toolchain ships it: a key id that somebody else computed
    text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

    name, public = parse_verifier_key(text)

    assert (name, verifier_key(name, public)) == ("sum.golang.org", text)


def test_two_segments_never_share_a_key() -> None:
    first, second = (segment_key(bytes(32), bytes(16), number) for number in (1, 2))

    assert first.commit != second.commit
    assert first.commit != segment_key(bytes(32), b"x" * 16, 1).commit


def test_numbers_come_back_as_they_went() -> None:
    body = {"big": 10**25 - 1, "price": Decimal("1.10"), "none": None, "text": "ä\u2028\n"}

    assert decode_entry(encode_entry(Entry(body)).json) == body


def test_an_entry_is_never_lost_for_its_values() -> None:
    loop: dict[str, object] = {}
    loop["again"] = loop
    body: dict[Any, Any] = {
        "surrogate": "a\ud800b",
        "nan": Decimal("NaN"),
        "infinite": [Decimal("-Infinity")],
        "object": object,
        ("a", 1): 1,
        "loop": loop,
        "text": "NaN and Inf are words too",
    }

    read = decode_entry(encode_entry(Entry(body)).json)

    assert read["surrogate"] == "a\\ud800b"
    assert (read["nan"], read["infinite"]) == ("NaN", ["-Infinity"])
    assert read["('a', 1)"] == 1
    assert "deeper than 100" in str(read["loop"])
    assert read["text"] == body["text"]


def test_the_intent_id_wins_over_a_member_of_its_name() -> None:
    text = encode_entry(Entry({"intent": 1, "op": "create"}, intent=9))

    assert decode_entry(text.json) == {"intent": 9, "op": "create"}
    assert text.intent == 9


def test_keys_are_made_once_and_guarded(tmp_path: Path) -> None:
    made = create_keys(tmp_path / "keys")

    read = load_keys(tmp_path / "keys")

    assert (read.keks, read.public) == (made.keks, made.public)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {0o600}
    with pytest.raises(AuditError, match="exists already"):
        create_keys(tmp_path / "keys")


def test_a_key_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    with pytest.raises(AuditError, match="no key audit-kek in"):
        load_keys(folder)
    create_keys(folder)

    for bad in ("0" * 64, "ab" * 31, "zz" * 32, ""):
        (folder / "audit-kek").write_text(bad)
        with pytest.raises(AuditError, match="audit-kek: not a key"):
            load_keys(folder)

    (folder / "audit-kek").write_text("ab" * 32)
    (folder / "audit-identity").write_text("nonsense")
    with pytest.raises(AuditError, match="audit-identity: not a key"):
        load_keys(folder)
    (folder / "audit-identity").chmod(0o644)
    with pytest.raises(AuditError, match="chmod 600"):
        load_keys(folder)


def test_credentials_of_systemd_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_keys(tmp_path / "keys")
    given = create_keys(tmp_path / "credentials")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))

    assert load_keys(tmp_path / "keys").public == given.public


def test_an_older_key_still_unwraps(tmp_path: Path) -> None:
    old = create_keys(tmp_path / "keys")
    data_key, sidecar = old.new_data_key()
    (tmp_path / "keys" / "audit-kek").rename(tmp_path / "keys" / "audit-kek-2024")
    (tmp_path / "keys" / "audit-kek").write_text("17" * 32)
    (tmp_path / "keys" / "audit-kek").chmod(0o600)

    both = load_keys(tmp_path / "keys")

    assert both.unwrap(sidecar, Path("x.keys")) == data_key
    with pytest.raises(AuditError, match="wrapped for aes-kw"):
        Keys(both.keks[:1], both.identity).unwrap(sidecar, Path("x.keys"))
    with pytest.raises(AuditError, match="was changed"):
        both.unwrap(sidecar.replace(b'"ct":"', b'"ct":"AAAA', 1), Path("x.keys"))
