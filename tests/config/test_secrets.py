"""This is where secrets are found, refused when others could read them, and never shown."""

from pathlib import Path

import pytest

from connectors.definition import EnvRef, SecretRef
from daemon.config.load import check_secrets, load
from daemon.config.secrets import SecretFault, Secrets
from tests.config.folders import change, good_folder, problems

PLANTED = "hunter2-hunter2"
REF = SecretRef(secret="crm-token")


def write_secret(folder: Path, name: str, text: str, mode: int = 0o600) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(text.encode())
    path.chmod(mode)
    return path


def test_systemd_comes_before_files_and_files_before_the_environment(tmp_path: Path) -> None:
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path / "cred"), "TALLYSTICK_SECRET_CRM_TOKEN": "from the environment"}
    secrets = Secrets(tmp_path / "secrets.d", env=env)

    last = secrets.reveal(REF)
    write_secret(tmp_path / "secrets.d", "crm-token", "from a file\n")
    middle = secrets.reveal(REF)
    write_secret(tmp_path / "cred", "crm-token", "from systemd\r\n", 0o440)
    first = secrets.reveal(REF)

    assert (last, middle, first) == ("from the environment", "from a file", "from systemd")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_secret_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = write_secret(tmp_path / "secrets.d", "crm-token", PLANTED, mode)

    with pytest.raises(SecretFault) as caught:
        Secrets(tmp_path / "secrets.d", env={}).reveal(REF)

    assert f"chmod 600 {path}" in str(caught.value)
    assert PLANTED not in str(caught.value)


def test_only_one_newline_at_the_end_is_taken_off(tmp_path: Path) -> None:
    write_secret(tmp_path / "secrets.d", "crm-token", " two lines\n\n")

    assert Secrets(tmp_path / "secrets.d", env={}).reveal(REF) == " two lines\n"


@pytest.mark.parametrize("text", ["", "\n"])
def test_an_empty_secret_is_a_fault_not_an_empty_password(tmp_path: Path, text: str) -> None:
    write_secret(tmp_path / "secrets.d", "crm-token", text)

    with pytest.raises(SecretFault, match="is empty"):
        Secrets(tmp_path / "secrets.d", env={}).reveal(REF)


def test_a_missing_secret_names_the_three_places(tmp_path: Path) -> None:
    with pytest.raises(KeyError) as caught:
        Secrets(tmp_path / "secrets.d", env={}).reveal(REF)

    told = str(caught.value)
    assert "LoadCredential=crm-token" in told
    assert str(tmp_path / "secrets.d" / "crm-token") in told
    assert "TALLYSTICK_SECRET_CRM_TOKEN" in told


@pytest.mark.parametrize("name", ["../tallystick.yaml", "a/b", "", ".ssh", "/etc/passwd"])
def test_a_name_never_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    write_secret(tmp_path, "tallystick.yaml", PLANTED)

    with pytest.raises(SecretFault, match="no name of a secret"):
        Secrets(tmp_path / "secrets.d", env={}).reveal(SecretRef(secret=name))


def test_bytes_that_are_no_text_are_a_fault(tmp_path: Path) -> None:
    write_secret(tmp_path / "secrets.d", "crm-token", "").write_bytes(b"\xff\xfe")

    with pytest.raises(SecretFault, match="not UTF-8"):
        Secrets(tmp_path / "secrets.d", env={}).reveal(REF)


def test_variables_have_defaults(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path, env={"CRM_URL": "https://crm"})

    assert secrets.reveal(EnvRef(env="CRM_URL")) == "https://crm"
    assert secrets.reveal(EnvRef(env="OTHER", default="x")) == "x"
    with pytest.raises(SecretFault, match="OTHER is not set"):
        secrets.reveal(EnvRef(env="OTHER"))


def test_nothing_that_is_printed_holds_a_secret(tmp_path: Path) -> None:
    folder = good_folder(tmp_path)
    write_secret(folder / "secrets.d", "api-token", PLANTED)
    env = {"API_URL": PLANTED, "TALLYSTICK_SECRET_OTHER": PLANTED}

    config = load(folder, env=env)
    secrets = config.secrets(env)
    printed = f"{config!r} {config} {secrets!r} {vars(config.daemon)} {config.systems['api'].system!r}"

    assert secrets.reveal(SecretRef(secret="api-token")) == PLANTED
    assert PLANTED not in printed
    assert not check_secrets(config, secrets)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("token: {secret: api-token}", f"token: {PLANTED}"),
        ("token: {secret: api-token}", f"token: [{PLANTED}, x]"),
        ("token: {secret: api-token}", f"tokenn: {PLANTED}"),
        ("token: {secret: api-token}", f"token: {PLANTED}, kind2: x"),
        ("{kind: bearer, token: {secret: api-token}}", f"{{kind: basic, user: u, password: '{PLANTED}', usr: x}}"),
        ("{kind: bearer, token: {secret: api-token}}", f"{{kind: nobody, password: {PLANTED}}}"),
        ("{kind: bearer, token: {secret: api-token}}", f"{{kind: bearer, token: {PLANTED}"),
        ("{kind: bearer, token: {secret: api-token}}", f"\n  kind: bearer\n  token: {PLANTED}: x"),
        ("{kind: bearer, token: {secret: api-token}}", f"\n  kind: bearer\n  token: !x {PLANTED}"),
        ("{kind: bearer, token: {secret: api-token}}", f"\n  kind: bearer\n  token: a\n  token: {PLANTED}"),
        ("{kind: bearer, token: {secret: api-token}}", f"\n  kind: bearer\n  token:\t{PLANTED}\n  token: b"),
        ("type: crm", f"password: {PLANTED}"),
        ("type: crm", f"client_secret: {PLANTED}"),
    ],
)
def test_no_fault_shows_a_secret_that_was_written_out(tmp_path: Path, old: str, new: str) -> None:
    folder = good_folder(tmp_path)
    change(folder, "systems/api.yaml", old, new)

    told = "\n".join(problems(folder))

    assert told
    assert PLANTED not in told
