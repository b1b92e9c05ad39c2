"""This is where the daemon is started, looked at and told to read its files again: serve, status, reload."""

import os

import click

from daemon.cli.session import Session, Verb

OK, DEGRADED, REFUSED = 0, 1, 1


@click.command(cls=Verb)
@click.pass_obj
def serve(session: Session) -> int:
    """Be the daemon: run every sync by its schedule."""
    from daemon.service.serve import serve as serve_daemon

    return serve_daemon(session.folder, os.environ)


@click.command(cls=Verb)
@click.pass_obj
def status(session: Session) -> int:
    """What the daemon does, and what needs attention."""
    from daemon.cli.text.status import degraded, status_text

    answer = session.daemon().status()
    session.show(answer, status_text)
    return DEGRADED if degraded(answer) else OK


@click.command(cls=Verb)
@click.option("--wait", is_flag=True, help="Accepted for systemd units; a reload always waits for its verdict.")
@click.pass_obj
def reload(session: Session, wait: bool) -> int:
    """Read the configuration anew, if it has no fault."""
    del wait
    from daemon.cli.text.answers import reload_text

    answer = session.daemon().reload(actor=session.actor)
    session.show(answer, reload_text)
    return REFUSED if answer.get("problems") or not answer.get("applied", True) else OK


VERBS = (serve, status, reload)
