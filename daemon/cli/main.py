"""This is where the command line begins: the verbs, the options that all of them take, and the exit codes.

A verb is one function in daemon/cli/verbs. Those files import click alone at their top and everything else when a verb
is called, so that `tallystick --help` answers at once.

    0 ok   1 failed   2 differences (with --exit-code)   3 no such thing, or no daemon   4 something waits for a person
    5 a guard stopped something   64 usage   70 a bug of ours   73 exists already   74 files   75 busy, try again
    77 permission   78 configuration
"""

import sys
from collections.abc import Sequence

import click

from daemon.cli.session import Session, TallystickGroup, tell
from daemon.cli.verbs import asking, audit, demo, living, pairing, running, setup
from daemon.errors import TallystickError

USAGE, BUG, FILES, PERMISSION, INTERRUPTED = 64, 70, 74, 77, 130


@click.group(cls=TallystickGroup)
@click.pass_context
def tallystick(context: click.Context) -> None:
    """Keeps records of business systems in step, and proves every change."""
    context.ensure_object(Session)


for _room in (setup, running, living, asking, pairing, audit, demo):
    for _verb in _room.VERBS:
        tallystick.add_command(_verb)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one verb and ends the process with its exit code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Runs one verb: its exit code. Whatever goes wrong is told in a sentence, never as a traceback."""
    session = Session()
    if foreign := next((word for word in arguments if not _is_text(word)), None):
        return _tell(session, f"{foreign}: an argument that is not UTF-8 names nothing here", USAGE)
    try:
        with tallystick.make_context("tallystick", list(arguments), obj=session) as context:
            code = tallystick.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except click.ClickException as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return 0
    except TallystickError as error:
        return _tell(session, str(error), error.exit_code)
    except OSError as error:
        return _tell(session, _os_text(error), PERMISSION if isinstance(error, PermissionError) else FILES)
    except Exception as error:
        return _report(session, error)
    return code if isinstance(code, int) else 0


def _is_text(word: str) -> bool:
    """Python hands over bytes that are no UTF-8 as lone surrogates."""
    return not any("\ud800" <= c <= "\udfff" for c in word)


def _tell(session: Session, text: str, code: int) -> int:
    if session.debug:
        _traceback()
    tell(text)
    return code


def _os_text(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"


def _report(session: Session, error: Exception) -> int:
    """A fault of ours: what it was in one line, and how to learn more. Locals may hold business values; never shown."""
    if session.debug:
        _traceback()
    tell(f"tallystick: a fault of its own: {type(error).__name__}: {error}")
    if not session.debug:
        click.echo("run it again with --debug for the whole story, and please report it", err=True)
    return BUG


def _traceback() -> None:
    import traceback

    traceback.print_exc()


def _forget_stdout() -> None:
    """Whoever read our output went away; Python must not complain about it at the end."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
