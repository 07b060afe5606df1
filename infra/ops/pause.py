"""The commands `services pause` and `services resume`: nobody can begin to book; what was begun before runs on."""

from gettext import gettext as _
from pathlib import Path
from typing import Annotated, Any

import typer

from chalicelib.desk import history
from chalicelib.domain.service import LANGUAGES, Text
from chalicelib.storage import service_store
from infra.ops.audit import audited
from infra.ops.options import STAGE_DEFAULT, DryRun, Json, ServiceId, StageName, Yes
from infra.ops.session import Refused, Session, open_session
from infra.ops.stage_access import caller
from infra.servicefile import yaml_source

LONGEST = 500
"""Characters of a message."""


def _message(language: str) -> Any:  # noqa: ANN401 - typer reads the option from it
    return typer.Option(f"--message-{language}", metavar="TEXT", help=f"What visitors are told, in {language}.")


File = Annotated[
    Path | None,
    typer.Option("--messages", metavar="FILE", help="A YAML file of messages instead, like `fr: Texte`."),
]


def pause(
    ctx: typer.Context,
    service_id: ServiceId,
    stage: StageName = STAGE_DEFAULT,
    *,
    fr: Annotated[str | None, _message("fr")] = None,
    simple_fr: Annotated[str | None, _message("fr-x-facile")] = None,
    en: Annotated[str | None, _message("en")] = None,
    ar: Annotated[str | None, _message("ar")] = None,
    tr: Annotated[str | None, _message("tr")] = None,
    file: File = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Pause a service: nobody can begin to book or see the calendar. Holds, requests, links, the desk and draws run on.

    Without a message, visitors read a usual text in their language. French is shown where a language is missing. Run it
    again to change the message.
    """
    with open_session(ctx, stage, as_json=as_json) as session:
        service = session.service(service_id)
        given = dict(zip(LANGUAGES, (fr, simple_fr, en, ar, tr), strict=True))
        message = _checked({language: text for language, text in given.items() if text is not None}, file)
        lines = [
            _("{}: nobody can begin to book; holds, requests, links, the desk and draws run on").format(service.id)
        ]
        lines += [f"  {language}: {text}" for language, text in message.items()] or [_("  with the usual text")]
        _change(session, service.id, message, lines, dry_run=dry_run, yes=yes)


def resume(
    ctx: typer.Context,
    service_id: ServiceId,
    stage: StageName = STAGE_DEFAULT,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """End the pause of a service: visitors can book again within a minute."""
    with open_session(ctx, stage, as_json=as_json) as session:
        service = session.service(service_id)
        if service.paused is None:
            raise Refused(_("{} is not paused").format(service.id))
        lines = [_("{}: visitors can book again").format(service.id)]
        _change(session, service.id, None, lines, dry_run=dry_run, yes=yes)


def _change(
    session: Session, service_id: str, message: Text | None, lines: list[str], *, dry_run: bool, yes: bool
) -> None:
    word, act = ("resume", history.Act.RESUMED) if message is None else ("pause", history.Act.PAUSED)
    question = _("Resume this service? Visitors see it within a minute.")
    if message is not None:
        question = _("Pause this service? Visitors see it within a minute.")
    document = {"service": service_id, "paused": message is not None, "message": message, "dry_run": dry_run}
    if dry_run:
        session.show(document, *lines)
        return
    session.confirm(question, *lines, yes=yes)
    facts = {"languages": list(message)} if message else {}
    with (
        audited(session, f"services {word}", service=service_id, **facts),
        history.recorded(service_id, caller(session.region), act, session.now, **facts),
    ):
        service_store.pause(service_id, message)
    session.show(document, *(lines if yes else ()), _("Done: visitors see it within a minute."))


def _checked(messages: dict[str, Any], file: Path | None) -> dict[str, str]:
    """Return the messages by language, from the options or the file. Raise Refused for what cannot be shown."""
    if file and messages:
        raise Refused(_("the messages are in the options and in a file: use one of them"))
    messages = _read(file) if file else messages
    for language, text in messages.items():
        if language not in LANGUAGES:
            raise Refused(_("{} is no language of the pages: use {}").format(language, ", ".join(LANGUAGES)))
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
            raise Refused(_("the message in {} must be a text of 1 to {} characters").format(language, LONGEST))
    if messages and "fr" not in messages:
        raise Refused(_("there is no French message: it is shown where a language is missing"))
    return {language: " ".join(text.split()) for language, text in messages.items()}


def _read(file: Path) -> dict[str, Any]:
    try:
        tree = yaml_source.parse(file.read_bytes())
    except OSError as error:
        raise Refused(_("{} cannot be read ({})").format(file, error.strerror)) from error
    for mistake in tree.mistakes:
        raise Refused(f"{file}:{mistake.line}: {mistake.problem}. {mistake.fix}")
    if not isinstance(tree.value, dict):
        raise Refused(_("{} must have a message by language, like `fr: Texte`").format(file))
    return tree.value
