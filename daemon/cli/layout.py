"""This is where configurations that travel with the product are found and laid out in a folder of the user's."""

import shutil
from collections.abc import Mapping
from pathlib import Path

STARTER = Path(__file__).parent / "starter"


def shipped_configs() -> Path:
    """The working example: inside an installed wheel, or the repository's own folder where it is installed editable."""
    daemon = Path(__file__).parents[1]
    for folder in (daemon / "share" / "configs", daemon.parent / "configs"):
        if (folder / "tallystick.yaml").is_file():
            return folder
    raise FileNotFoundError(f"the example configuration is missing beside {daemon}; install tallystick again")


def lay_out_starter(folder: Path) -> list[str]:
    """The small configuration of `tallystick init`: the names of the files that were made."""
    files = lay_out(STARTER, folder)
    for private in ("state", "secrets.d"):
        (folder / private).mkdir(mode=0o700, exist_ok=True)
    return [*files, "state/", "secrets.d/"]


def lay_out(source: Path, folder: Path, changes: Mapping[str, str] | None = None) -> list[str]:
    """Copies every file of *source*, replacing each text of *changes* in it. Nothing is overwritten."""
    made = []
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        target = folder / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise FileExistsError(17, "exists already", str(target))
        shutil.copyfile(file, target)
        if changes:
            text = target.read_text("utf-8")
            for old, new in changes.items():
                text = text.replace(old, new)
            target.write_text(text, "utf-8")
        made.append(str(file.relative_to(source)))
    return made
