"""Every entry point of Guichet, and nothing else: routes, one Lambda per step, schedules and the stream."""

# ruff: noqa: E402 - the collector rests before the imports
import gc

gc.disable()  # nothing that is imported is garbage: looking whether it is takes a tenth of a cold start

import os
from collections.abc import Callable
from datetime import UTC
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, DynamoDBEvent, Rate, Request, Response

from chalicelib import __version__, log, settings
from chalicelib.booking import availability, captcha, filing, holds, moves, personal_data, requests, schedule
from chalicelib.mail import bounces, outbox
from chalicelib.web import clock, file_views, forms, handler, hold_views, problems, request_views, service_views
from chalicelib.web.handler import ANY_CONTENT_TYPE, GET_OR_HEAD
from chalicelib.web.reply import Reply
from chalicelib.web.visit import Visit

gc.freeze()
gc.enable()
settings.check_at_start()
app = Chalice(app_name="guichet")
app.api.binary_types = []


@app.middleware("all")
def name_run(event: object, respond: Callable[[object], Response]) -> Response:
    """Every line of the log says which run it is about."""
    log.about(handler.run_id(event))
    return respond(event)


@app.middleware("http")
def tell_failure(request: Request, respond: Callable[[Request], Response]) -> Response:
    """What nobody foresaw is logged by Chalice and rings; the visitor is told kindly, in their language."""
    response = respond(request)
    return handler.failure(request) if response.status_code == problems.FAILED else response


# page: notices, static files, manage


@app.route("/", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app)
def home(visit: Visit) -> Reply:
    """The services offered."""
    return service_views.home(availability.services(visit.now))


@app.route("/services/{service}", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app)
def show_service(visit: Visit, service: str) -> Reply:
    """The notice of one service, and the two doors."""
    return service_views.service_page(availability.service(service, visit.now), visit)


@app.route("/manage", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app)
def show_manage(_visit: Visit) -> Reply:
    """The form that asks for one's link."""
    return request_views.manage()


@app.route("/static/{file}", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app)
def static(_visit: Visit, file: str) -> Reply:
    """A style sheet or script, by its hashed name."""
    return file_views.static(file)


@app.route("/openapi.json", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app)
def openapi(_visit: Visit) -> Reply:
    """The contract, as an OpenAPI 3.1 document."""
    return file_views.openapi()


@app.route("/health", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app)
def health(_visit: Visit) -> Reply:
    """Alive, and which version; touches no table."""
    return Reply({"status": "ok", "version": __version__})


# slots


@app.route("/services/{service}/slots", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app)
def show_slots(visit: Visit, service: str) -> Reply:
    """The calendar of one week."""
    found = availability.week_calendar(service, visit.query.get("week"), visit.now)
    return service_views.calendar(found, visit.now, conditions_accepted=forms.yes(visit.query, "conditions_accepted"))


# hold


@app.route("/services/{service}/holds", methods=["POST"], content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.calendar_again)
def place_hold(visit: Visit, service: str) -> Reply:
    """Keep one seat for this visitor while they pass the captcha."""
    wish = forms.read_wish(visit.body(), availability.service(service, visit.now))
    return hold_views.held(
        holds.place(service, wish, now=visit.now, visitor_token=visit.visitor_token, ip_address=visit.ip_address)
    )


@app.route("/holds/{hold}/extension", methods=["POST"], content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.start_again)
def extend_hold(visit: Visit, hold: str) -> Reply:
    """One more period."""
    return hold_views.extended(holds.extend(hold, visit.now), visit)


@app.route("/holds/{hold}/end", methods=["POST"], content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.start_again)
def end_hold(visit: Visit, hold: str) -> Reply:
    """Give the seat back."""
    return hold_views.ended(holds.end(hold, visit.now), hold)


# captcha


@app.route("/holds/{hold}", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.start_again)
def show_hold(visit: Visit, hold: str) -> Reply:
    """Where a hold stands; for a person, the step that comes next."""
    return hold_views.hold_page(holds.view(hold, visit.now), visit)


@app.route("/holds/{hold}/captcha", methods=["POST"], content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.start_again)
def new_challenge(visit: Visit, hold: str) -> Reply:
    """Another picture and sound."""
    return hold_views.challenge(hold, captcha.new_challenge(hold, visit.now), visit)


@app.route("/holds/{hold}/captcha/answer", methods=["POST"], content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=hold_views.captcha_again)
def answer_challenge(visit: Visit, hold: str) -> Reply:
    """Check what was read or heard."""
    body = visit.body()
    challenge, answer = forms.read_answer(body)
    ready = captcha.answer(
        hold, challenge, answer, now=visit.now, visitor_token=visit.visitor_token, ip_address=visit.ip_address
    )
    return hold_views.captcha_passed(ready, body, visit)


# request


@app.route("/holds/{hold}/details", methods=["POST"], content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=hold_views.details_again)
def send_details(visit: Visit, hold: str) -> Reply:
    """File the request; a person sees everything once more before, and may change the language on the way."""
    body, ready = visit.body(), holds.view_ready(hold, visit.now)
    if not visit.wants_json and "lang" in body:
        return hold_views.step_again(ready, body)
    if not visit.wants_json and "change" in body:
        return hold_views.details_form(ready, body)
    details = forms.read_details(body, today=visit.now.date(), language=visit.locale.language)
    if not visit.wants_json and "checked" not in body:
        return hold_views.check(ready, body)
    return hold_views.filed(hold, filing.file(hold, details, now=visit.now, ip_address=visit.ip_address))


@app.route("/holds/{hold}/email", methods=["POST"], content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=hold_views.email_again)
def correct_email(visit: Visit, hold: str) -> Reply:
    """Correct the e-mail address of a request that was just filed."""
    email = forms.read_email(visit.body())
    return hold_views.filed(hold, filing.change_email(hold, email, now=visit.now))


@app.route("/requests/{token}", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.start_again)
def show_request(visit: Visit, token: str) -> Reply:
    """One request, for the person who has the mail. Looking changes nothing."""
    return request_views.request_page(requests.view(token, visit.now))


@app.route("/requests/{token}/confirmation", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.start_again)
def show_confirmation(visit: Visit, token: str) -> Reply:
    """The same page: only its button confirms."""
    return request_views.request_page(requests.view(token, visit.now))


@app.route("/requests/{token}/confirmation", methods=["POST"], content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.start_again)
def confirm_request(visit: Visit, token: str) -> Reply:
    """Confirm."""
    return request_views.request_step(requests.confirm(token, visit.now))


@app.route("/requests/{token}/cancellation", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.start_again)
def show_cancellation(visit: Visit, token: str) -> Reply:
    """Ask whether to cancel: only its button does."""
    return request_views.request_page(requests.view(token, visit.now), "cancel.html")


@app.route("/requests/{token}/cancellation", methods=["POST"], content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.start_again)
def cancel_request(visit: Visit, token: str) -> Reply:
    """Cancel."""
    return request_views.request_step(requests.cancel(token, visit.now))


@app.route("/requests/{token}/move", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=request_views.move_again)
def show_move(visit: Visit, token: str) -> Reply:
    """The slots to choose another from."""
    return request_views.move_page(*moves.choices(token, visit.now))


@app.route("/requests/{token}/move", methods=["POST"], content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=request_views.move_again)
def move_request(visit: Visit, token: str) -> Reply:
    """Move to another slot."""
    start = forms.read_slot(visit.body(), requests.view(token, visit.now).service)
    return request_views.moved(moves.move(token, start, now=visit.now))


@app.route("/requests/{token}/convocation", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.start_again)
def show_convocation(visit: Visit, token: str) -> Reply:
    """The page to print."""
    return request_views.convocation_page(requests.view(token, visit.now))


@app.route("/requests/{token}/convocation", methods=["POST"], content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.start_again)
def send_convocation(visit: Visit, token: str) -> Reply:
    """Send the convocation again."""
    return request_views.convocation_sent(*personal_data.send_convocation(token, visit.now))


@app.route("/requests/{token}/correction", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.start_again)
def show_correction(visit: Visit, token: str) -> Reply:
    """The form that corrects a name or the phone."""
    return request_views.correction(personal_data.view_correctable(token, visit.now))


@app.route("/requests/{token}/correction", methods=["POST"], content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=request_views.correction_again)
def correct_request(visit: Visit, token: str) -> Reply:
    """Correct a name or the phone."""
    body, found = visit.body(), personal_data.view_correctable(token, visit.now)
    return request_views.request_step(personal_data.correct(found, *forms.read_correction(body), now=visit.now))


@app.route("/requests/{token}/data", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.start_again)
def show_data(visit: Visit, token: str) -> Reply:
    """Everything that is kept about the owner, to download."""
    return request_views.own_data(personal_data.data(token, visit.now))


@app.route("/requests/{token}/erasure", methods=GET_OR_HEAD, content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.start_again)
def show_erasure(visit: Visit, token: str) -> Reply:
    """Ask whether to erase: only its button does."""
    return request_views.request_page(requests.view(token, visit.now), "erase.html")


@app.route("/requests/{token}/erasure", methods=["POST"], content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=service_views.start_again)
def erase_request(visit: Visit, token: str) -> Reply:
    """Erase, and cancel."""
    return request_views.erased(personal_data.erase(token, visit.now))


@app.route("/manage", methods=["POST"], content_types=ANY_CONTENT_TYPE)
@handler.answers(app, again=request_views.manage_again)
def ask_link(visit: Visit) -> Reply:
    """Send a request's link to its address, if there is one."""
    reference, email = forms.read_manage(visit.body())
    requests.ask_link(reference, email, visit.now)
    return request_views.manage(sent=True)


# One Lambda per step: `infra/deploy/templates/app.yaml` points each route at its own. Chalice's APIHandler is "page".


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


# A plain `chalice deploy` is told the stream by its shell; `infra/deploy/templates/app.yaml` names it for a real stage.
STREAM = os.environ.get("GUICHET_STREAM", "arn:aws:dynamodb:eu-west-3:000000000000:table/guichet/stream/0")


@app.on_dynamodb_record(stream_arn=STREAM, name="mailer")
def mailer(event: DynamoDBEvent) -> dict[str, Any]:
    """Send the letter that each change of the table calls for."""
    records = [(record.sequence_number, record.old_image, record.new_image) for record in event]
    oldest = min(record.timestamp for record in event).replace(tzinfo=UTC)
    failed = outbox.deliver(records, now=clock.now(), oldest=oldest)
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}


@app.lambda_function(name="feedback")
def feedback_function(event: dict[str, Any], _context: object) -> None:
    """What SES says became of a letter. `infra/deploy/templates/app.yaml` names the topic that says it."""
    for record in event["Records"]:
        bounces.handle(record["Sns"]["Message"], clock.now())


@app.schedule(Rate(1, unit=Rate.HOURS), name="release")
def release(_event: CloudWatchEvent) -> None:
    """Create the next weeks' seats ahead."""
    schedule.release_seats(clock.now())


@app.schedule(Rate(1, unit=Rate.MINUTES), name="expiry")
def expiry(_event: CloudWatchEvent) -> None:
    """End holds and requests whose time has run out."""
    schedule.end_expired(clock.now())
