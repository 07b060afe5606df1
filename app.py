"""Every entry point of Guichet, and nothing else: routes, one Lambda per step, schedules and the stream."""

# ruff: noqa: E402 - the collector rests before the imports
import gc

gc.disable()  # nothing that is imported is garbage: looking whether it is takes a tenth of a cold start

import os
from collections.abc import Callable
from datetime import UTC
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, DynamoDBEvent, Rate, Request, Response

from chalicelib import (
    __version__,
    appointment,
    booking,
    edge,
    feedback,
    forms,
    log,
    manage,
    outbox,
    settings,
    upkeep,
    views,
)
from chalicelib.edge import ANY, LOOK, Reply, Visit

gc.freeze()
gc.enable()
settings.check_at_start()
app = Chalice(app_name="guichet")
app.api.binary_types = []


@app.middleware("all")
def name_run(event: object, respond: Callable[[object], Response]) -> Response:
    """Every line of the log says which run it is about."""
    log.about(edge.run_of(event))
    return respond(event)


@app.middleware("http")
def tell_failure(request: Request, respond: Callable[[Request], Response]) -> Response:
    """What nobody foresaw is logged by Chalice and rings; the visitor is told kindly, in their language."""
    response = respond(request)
    return edge.failure(request) if response.status_code == edge.FAILED else response


# page: notices, static files, manage


@app.route("/", content_types=ANY)
@edge.answers(app)
def home(visit: Visit) -> Reply:
    """The services offered."""
    return views.home(booking.services(visit.now))


@app.route("/services/{service}", content_types=ANY)
@edge.answers(app)
def show_service(visit: Visit, service: str) -> Reply:
    """The notice of one service, and the two doors."""
    return views.service_page(booking.service(service, visit.now), visit)


@app.route("/manage", content_types=ANY)
@edge.answers(app)
def show_manage(_visit: Visit) -> Reply:
    """The form that asks for one's link."""
    return views.manage()


@app.route("/static/{file}", content_types=ANY)
@edge.answers(app)
def static(_visit: Visit, file: str) -> Reply:
    """A style sheet or script, by its hashed name."""
    return views.static(file)


@app.route("/openapi.json", content_types=ANY)
@edge.answers(app)
def openapi(_visit: Visit) -> Reply:
    """The contract, as an OpenAPI 3.1 document."""
    return views.openapi()


@app.route("/health", content_types=ANY)
@edge.answers(app)
def health(_visit: Visit) -> Reply:
    """Alive, and which version; touches no table."""
    return Reply({"status": "ok", "version": __version__})


# slots


@app.route("/services/{service}/slots", content_types=ANY)
@edge.answers(app)
def show_slots(visit: Visit, service: str) -> Reply:
    """The calendar of one week."""
    found = booking.calendar(service, visit.query.get("week"), visit.now)
    return views.calendar(found, visit.now, conditions_accepted=forms.yes(visit.query, "conditions_accepted"))


# hold


@app.route("/services/{service}/holds", methods=["POST"], content_types=ANY)
@edge.answers(app, again=views.calendar_again)
def place_hold(visit: Visit, service: str) -> Reply:
    """Keep one seat for this visitor while they pass the captcha."""
    wish = forms.read_wish(visit.body(), booking.service(service, visit.now))
    return views.held(booking.place_hold(service, wish, now=visit.now, visit=visit.ticket, address=visit.address))


@app.route("/holds/{hold}/extension", methods=["POST"], content_types=ANY)
@edge.answers(app, again=views.start_again)
def extend_hold(visit: Visit, hold: str) -> Reply:
    """One more period."""
    return views.extended(booking.extend_hold(hold, visit.now), visit)


@app.route("/holds/{hold}/end", methods=["POST"], content_types=ANY)
@edge.answers(app, again=views.start_again)
def end_hold(visit: Visit, hold: str) -> Reply:
    """Give the seat back."""
    return views.ended(booking.end_hold(hold, visit.now), hold)


# captcha


@app.route("/holds/{hold}", content_types=ANY)
@edge.answers(app, again=views.start_again)
def show_hold(visit: Visit, hold: str) -> Reply:
    """Where a hold stands; for a person, the step that comes next."""
    return views.hold_page(booking.view_hold(hold, visit.now), visit)


@app.route("/holds/{hold}/captcha", methods=["POST"], content_types=ANY)
@edge.answers(app, again=views.start_again)
def new_challenge(visit: Visit, hold: str) -> Reply:
    """Another picture and sound."""
    return views.challenge(hold, booking.challenge(hold, visit.now), visit)


@app.route("/holds/{hold}/captcha/answer", methods=["POST"], content_types=ANY)
@edge.answers(app, again=views.captcha_again)
def answer_challenge(visit: Visit, hold: str) -> Reply:
    """Check what was read or heard."""
    challenge, answer = forms.read_answer(visit.body())
    return views.hold_step(
        booking.answer_challenge(hold, challenge, answer, now=visit.now, visit=visit.ticket, address=visit.address)
    )


# request


@app.route("/holds/{hold}/details", methods=["POST"], content_types=ANY)
@edge.answers(app, again=views.details_again)
def send_details(visit: Visit, hold: str) -> Reply:
    """File the request; a person sees everything once more before, and may change the language on the way."""
    body, ready = visit.body(), booking.check_hold(hold, visit.now)
    if not visit.wants_json and "lang" in body:
        return views.step_again(ready, body)
    if not visit.wants_json and "change" in body:
        return views.details_form(ready, body)
    details = forms.read_details(body, today=visit.now.date(), language=visit.words.language)
    if not visit.wants_json and "checked" not in body:
        return views.check(ready, body)
    return views.filed(hold, appointment.file_request(hold, details, now=visit.now))


@app.route("/requests/{token}", methods=LOOK, content_types=ANY)
@edge.answers(app, again=views.start_again)
def show_request(visit: Visit, token: str) -> Reply:
    """One request, for the person who has the mail. Looking changes nothing."""
    return views.request_page(appointment.view_request(token, visit.now))


@app.route("/requests/{token}/confirmation", methods=LOOK, content_types=ANY)
@edge.answers(app, again=views.start_again)
def show_confirmation(visit: Visit, token: str) -> Reply:
    """The same page: only its button confirms."""
    return views.request_page(appointment.view_request(token, visit.now))


@app.route("/requests/{token}/confirmation", methods=["POST"], content_types=ANY)
@edge.answers(app, again=views.start_again)
def confirm_request(visit: Visit, token: str) -> Reply:
    """Confirm."""
    return views.request_step(appointment.confirm_request(token, visit.now))


@app.route("/requests/{token}/cancellation", methods=LOOK, content_types=ANY)
@edge.answers(app, again=views.start_again)
def show_cancellation(visit: Visit, token: str) -> Reply:
    """Ask whether to cancel: only its button does."""
    return views.request_page(appointment.view_request(token, visit.now), "cancel.html")


@app.route("/requests/{token}/cancellation", methods=["POST"], content_types=ANY)
@edge.answers(app, again=views.start_again)
def cancel_request(visit: Visit, token: str) -> Reply:
    """Cancel."""
    return views.request_step(appointment.cancel_request(token, visit.now))


@app.route("/requests/{token}/move", methods=LOOK, content_types=ANY)
@edge.answers(app, again=views.move_again)
def show_move(visit: Visit, token: str) -> Reply:
    """The slots to choose another from."""
    return views.move_page(*appointment.choices(token, visit.now))


@app.route("/requests/{token}/move", methods=["POST"], content_types=ANY)
@edge.answers(app, again=views.move_again)
def move_request(visit: Visit, token: str) -> Reply:
    """Move to another slot."""
    start = forms.read_slot(visit.body(), appointment.view_request(token, visit.now).service)
    return views.moved(appointment.move_request(token, start, now=visit.now))


@app.route("/requests/{token}/convocation", methods=LOOK, content_types=ANY)
@edge.answers(app, again=views.start_again)
def show_convocation(visit: Visit, token: str) -> Reply:
    """The page to print."""
    return views.convocation_page(appointment.view_request(token, visit.now))


@app.route("/requests/{token}/convocation", methods=["POST"], content_types=ANY)
@edge.answers(app, again=views.start_again)
def send_convocation(visit: Visit, token: str) -> Reply:
    """Send the convocation again."""
    return views.convocation_sent(manage.send_convocation(token, visit.now))


@app.route("/requests/{token}/correction", content_types=ANY)
@edge.answers(app, again=views.start_again)
def show_correction(visit: Visit, token: str) -> Reply:
    """The form that corrects a name or the phone."""
    return views.correction(manage.view_correctable(token, visit.now))


@app.route("/requests/{token}/correction", methods=["POST"], content_types=ANY)
@edge.answers(app, again=views.correction_again)
def correct_request(visit: Visit, token: str) -> Reply:
    """Correct a name or the phone."""
    body, found = visit.body(), manage.view_correctable(token, visit.now)
    return views.request_step(manage.correct(found, *forms.read_correction(body), now=visit.now))


@app.route("/requests/{token}/data", content_types=ANY)
@edge.answers(app, again=views.start_again)
def show_data(visit: Visit, token: str) -> Reply:
    """Everything that is kept about the owner, to download."""
    return views.own_data(manage.data(token, visit.now))


@app.route("/requests/{token}/erasure", content_types=ANY)
@edge.answers(app, again=views.start_again)
def show_erasure(visit: Visit, token: str) -> Reply:
    """Ask whether to erase: only its button does."""
    return views.request_page(appointment.view_request(token, visit.now), "erase.html")


@app.route("/requests/{token}/erasure", methods=["POST"], content_types=ANY)
@edge.answers(app, again=views.start_again)
def erase_request(visit: Visit, token: str) -> Reply:
    """Erase, and cancel."""
    return views.erased(manage.erase(token, visit.now))


@app.route("/manage", methods=["POST"], content_types=ANY)
@edge.answers(app, again=views.manage_again)
def ask_link(visit: Visit) -> Reply:
    """Send a request's link to its address, if there is one."""
    reference, email = forms.read_manage(visit.body())
    appointment.ask_link(reference, email, visit.now)
    return views.manage(sent=True)


# One Lambda per step: `infra/app.yaml` points each route at its own. Chalice's APIHandler is "page".


@app.lambda_function(name="slots")
def slots_function(event: dict[str, Any], context: object) -> dict[str, Any]:
    """The calendar."""
    return app(event, context)


@app.lambda_function(name="hold")
def hold_function(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Place, extend or end a hold."""
    return app(event, context)


@app.lambda_function(name="captcha")
def captcha_function(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Challenge and answer."""
    return app(event, context)


@app.lambda_function(name="request")
def request_function(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Details, and all that an owner does with a request."""
    return app(event, context)


# A plain `chalice deploy` is told the stream by its shell; `infra/app.yaml` names it for a real stage.
STREAM = os.environ.get("GUICHET_STREAM", "arn:aws:dynamodb:eu-west-3:000000000000:table/guichet/stream/0")


@app.on_dynamodb_record(stream_arn=STREAM, name="mailer")
def mailer(event: DynamoDBEvent) -> dict[str, Any]:
    """Send the letter that each change of the table calls for."""
    records = [(record.sequence_number, record.old_image, record.new_image) for record in event]
    oldest = min(record.timestamp for record in event).replace(tzinfo=UTC)
    failed = outbox.deliver(records, now=edge.now(), oldest=oldest)
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}


@app.lambda_function(name="feedback")
def feedback_function(event: dict[str, Any], _context: object) -> None:
    """What SES says became of a letter. `infra/app.yaml` names the topic that says it."""
    for record in event["Records"]:
        feedback.take(record["Sns"]["Message"], edge.now())


@app.schedule(Rate(1, unit=Rate.HOURS), name="release")
def release(_event: CloudWatchEvent) -> None:
    """Create the next weeks' seats ahead."""
    upkeep.release(edge.now())


@app.schedule(Rate(1, unit=Rate.MINUTES), name="expiry")
def expiry(_event: CloudWatchEvent) -> None:
    """End holds and requests whose time has run out."""
    upkeep.expire(edge.now())
