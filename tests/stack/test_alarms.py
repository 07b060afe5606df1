"""The drill of the alarms: each is quiet while all is well, and rings once its condition is true.

`make drill-alarms` runs it in some ten minutes. A drill makes the condition true on the running service, and says where
the metric comes from: the emulator (functions), the functions' own logs, or a count of what AWS would have counted.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain import draw_window
from infra.local.settings import ACCOUNT, API, API_STAGE, HOST, REGION, any_port
from infra.local.stack import Stack
from tests.long import LONG
from tests.rehearsal.permissions import DAYS, SCHEDULED_EVENT, StepChecks
from tests.stack.alarms import PREFIX, Alarms
from tests.stack.faults import THROTTLED, Call, configured, logged, table_behind
from tests.stack.visitor import Visitor, answered, person, restart, set_email, until

WISH = {"first_free": True, "conditions_accepted": True}
SILENCE = 75.0
"""Seconds after which a function that is called each minute would have run."""
CALLED_EACH_MINUTE = ("release", "expiry", "draw")
NO_TABLE = {"GUICHET_TABLE": "guichet-none"}
"""A setting with which every call of a function to the table fails."""
STOPS = {
    "mail-age",
    "mailer-lag",
    "release-stopped",
    "expiry-failures",
    "draw-failures",
    "seats-missing",
    "draw-overdue",
    "canary",
}
"""The alarms of what must run: they ring without a value."""


@dataclass
class Drill:
    """Makes the conditions of alarms true."""

    stack: Stack
    alarms: Alarms
    start: datetime

    @property
    def visitor(self) -> Visitor:
        return Visitor(self.stack)

    def rings(self, name: str, *, seconds: float = 150.0) -> None:
        """Wait until an alarm rings for what has happened since the start of the drill."""
        until(lambda: self.alarms.rings(name, self.start) or None, seconds=seconds)

    def logs(self, function: str, name: str, *, seconds: float = 150.0) -> None:
        """Wait until an alarm rings, reading the metrics from the log of a function."""

        def look() -> bool | None:
            self.alarms.read_log(function, self.start)
            return self.alarms.rings(name, self.start) or None

        until(look, seconds=seconds)

    def queue(self, name: str) -> None:
        """Count the messages of a queue, as SQS does each minute."""
        sqs = self.stack.client("sqs")
        url = sqs.get_queue_url(QueueName=f"{PREFIX}{name}")["QueueUrl"]
        visible = "ApproximateNumberOfMessages"
        number = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[visible])["Attributes"][visible]
        self.alarms.count("AWS/SQS", "ApproximateNumberOfMessagesVisible", float(number), QueueName=f"{PREFIX}{name}")

    def queued(self, name: str) -> None:
        """Wait until the alarm of a queue rings."""

        def look() -> bool | None:
            self.queue(name)
            return self.alarms.rings(name, self.start) or None

        until(look, seconds=60)

    def purge(self, name: str) -> None:
        sqs = self.stack.client("sqs")
        sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=f"{PREFIX}{name}")["QueueUrl"])

    def stored(self, service: str, **rules: Any) -> None:
        """Store a copy of the service `aes` with other rules."""
        step = StepChecks(self.stack)
        key = {"pk": {"S": "SERVICES"}, "sk": {"S": "aes"}}
        row = self.stack.client("dynamodb").get_item(TableName=self.stack.table, Key=key)["Item"]
        document = json.loads(row["document"]["S"]) | {"id": service} | rules
        step.put("SERVICES", service, document=json.dumps(document))

    def remove(self, service: str) -> None:
        key = {"pk": {"S": "SERVICES"}, "sk": {"S": service}}
        self.stack.client("dynamodb").delete_item(TableName=self.stack.table, Key=key)

    @contextmanager
    def without(self, *names: str) -> Iterator[None]:
        """Stop what calls functions: the schedules, or the stream for `mailer`."""
        events, functions = self.stack.client("events"), self.stack.client("lambda")
        rules = [
            rule["Name"]
            for rule in events.list_rules(NamePrefix=PREFIX)["Rules"]
            for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            if target["Arn"].split(":")[6].removeprefix(PREFIX) in names
        ]
        (mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]
        assert len(rules) == len([name for name in names if name != "mailer"])
        for rule in rules:
            events.disable_rule(Name=rule)
        if "mailer" in names:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        try:
            yield
        finally:
            for rule in rules:
                events.enable_rule(Name=rule)
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


@pytest.fixture
def drill(stack: Stack) -> Drill:
    return Drill(stack, Alarms(stack), datetime.now(UTC))


def failures(drill: Drill) -> None:
    """The hold function may not use its table: five visitors get a 5xx. API Gateway would count them."""
    api = drill.stack.client("apigateway").get_rest_api(restApiId=API)["name"]
    with configured(drill.stack, "hold", **NO_TABLE):
        for _ in range(5):
            assert drill.visitor.post("/services/aes/holds", WISH).status_code >= 500
            drill.alarms.count("AWS/ApiGateway", "5XXError", 1, ApiName=api, Stage=API_STAGE)
    drill.rings("failures")


PATHS = {
    "page": ("GET", "/services/aes"),
    "slots": ("GET", "/services/aes/slots"),
    "hold": ("POST", "/services/aes/holds"),
    "captcha": ("GET", "/holds/none"),
    "request": ("GET", "/requests/none"),
    "desk": ("GET", "/desk"),
}


def throttled(function: str) -> Callable[[Drill], None]:
    """Return the drill of a function without concurrency: Lambda throttles each visitor, and counts it."""

    def play(drill: Drill) -> None:
        functions, name = drill.stack.client("lambda"), f"{PREFIX}{function}"
        method, path = PATHS[function]
        visitor = drill.visitor
        threshold = int(drill.alarms.named()[f"{function}-throttled"]["Threshold"])
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        try:
            for number in range(threshold):
                answer = visitor.get(path) if method == "GET" else visitor.post(path, WISH)
                assert answer.status_code in {429, 500, 502, 503}
                if number == threshold - 2:
                    assert not drill.alarms.rings(f"{function}-throttled", drill.start)
        finally:
            functions.delete_function_concurrency(FunctionName=name)
        drill.rings(f"{function}-throttled")

    return play


def api_throttled(drill: Drill) -> None:
    """API Gateway throttles: the line that it writes to the access log matches the filter, which is the metric."""
    filters = drill.stack.client("logs").describe_metric_filters(logGroupName="/aws/apigateway/guichet-laptop")
    (found,) = filters["metricFilters"]
    (metric,) = found["metricTransformations"]
    for error in ["-"] * 100 + ["THROTTLED"] * 100:
        line = {"guichet": "laptop", "status": "429", "error": error}
        if found["filterPattern"] == f'{{ $.error = "{line["error"]}" }}':
            named = {key: line[value.removeprefix("$.")] for key, value in metric["dimensions"].items()}
            drill.alarms.count(metric["metricNamespace"], metric["metricName"], float(metric["metricValue"]), **named)
    drill.rings("api-throttled")


def table_throttled(function: str, operation: str, metric: str, alarm: str) -> Callable[[Drill], None]:
    """Return the drill of a table that throttles one kind of call. DynamoDB would count the calls."""

    def play(drill: Drill) -> None:
        def fault(call: Call) -> bytes | None:
            return THROTTLED if call.name == operation else None

        method, path = PATHS[function]
        visitor = drill.visitor
        with table_behind(drill.stack, function, fault) as calls:
            while sum(call.name == operation for call in calls) < 100:
                (visitor.get(path) if method == "GET" else visitor.post(path, WISH))
        count = sum(call.name == operation for call in calls)
        drill.alarms.count("AWS/DynamoDB", metric, float(count), TableName=drill.stack.table)
        drill.rings(alarm)

    return play


def mail_age(drill: Drill) -> None:
    """SES does not answer for more than two minutes while a letter waits."""
    awa = person()
    with configured(drill.stack, "mailer", AWS_ENDPOINT_URL_SES=f"http://{HOST}:{any_port()}"):
        drill.visitor.file(awa)
        until(lambda: logged(drill.stack, "mailer", "mail-later", drill.start))
        drill.logs("mailer", "mail-age", seconds=200)
    drill.visitor.letter(awa["email"])


def mailer_lag(drill: Drill) -> None:
    """The mailer begins again with the stream, whose first changes are more than five minutes old."""
    functions = drill.stack.client("lambda")
    (mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]
    late = functions.create_event_source_mapping(
        FunctionName=f"{PREFIX}mailer:live",
        EventSourceArn=mapping["EventSourceArn"],
        StartingPosition="TRIM_HORIZON",
    )
    try:
        drill.rings("mailer-lag")
    finally:
        functions.delete_event_source_mapping(UUID=late["UUID"])


@contextmanager
def unusable_letter(drill: Drill) -> Iterator[None]:
    """A letter for which the mailer fails each time, until it is given up."""
    visitor, awa = drill.visitor, person()
    visitor.file(awa)
    link = visitor.link(awa["email"])
    set_email(drill.stack, link, 7)
    answered(visitor.post(f"{link}/confirmation"), 200)
    functions = drill.stack.client("lambda")
    (mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]
    try:
        yield
        functions.update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=1)
    finally:
        set_email(drill.stack, link, awa["email"])


def mailer_failures(drill: Drill) -> None:
    """The mailer fails for an item that it cannot use."""
    with unusable_letter(drill):
        drill.rings("mailer-failures")


def unsent(drill: Drill) -> None:
    """The mailer gives up on a letter, which goes to the queue. SQS would count it."""
    drill.purge("unsent")
    functions = drill.stack.client("lambda")
    (mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=1)
    try:
        with unusable_letter(drill):
            drill.queued("unsent")
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=-1)
        drill.purge("unsent")


def feedback_failures(drill: Drill) -> None:
    """The feedback function fails for a notice of SES."""
    event = {
        "eventType": "Bounce",
        "mail": {"messageId": "0100", "destination": ["awa@example.org"], "tags": {}},
        "bounce": {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": "awa@example.org"}]},
    }
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:guichet-laptop-feedback"
    with configured(drill.stack, "feedback", **NO_TABLE):
        drill.stack.client("sns").publish(TopicArn=topic, Message=json.dumps(event))
        drill.rings("feedback-failures")


def schedules_fail(drill: Drill) -> None:
    """A scheduled function may not use its table. After three tries the call is in the queue, which SQS would count."""
    drill.purge("undone")
    with ExitStack() as settings:
        for name in CALLED_EACH_MINUTE:
            settings.enter_context(configured(drill.stack, name, **NO_TABLE))
        for name in CALLED_EACH_MINUTE:
            drill.rings(f"{name}-failures")
        drill.queued("undone")
    drill.purge("undone")


def seats_missing(drill: Drill) -> None:
    """A service has a release in two hours, and none of its seats exists."""
    soon = datetime.now(UTC) + timedelta(hours=2)
    moment = {"day": DAYS[soon.weekday()], "at": f"{soon:%H:%M}"}
    with drill.without("release"):
        drill.stored(
            "manque", timezone="UTC", release={"weeks_ahead": 2, "on_holiday": "same_day", "moments": [moment]}
        )
        try:
            restart(drill.stack, "expiry")
            drill.logs("expiry", "seats-missing")
        finally:
            drill.remove("manque")
    restart(drill.stack, "expiry")


def canary(drill: Drill) -> None:
    """The hold function may not use its table, so that the test booking of the canary fails."""
    with configured(drill.stack, "hold", **NO_TABLE):
        StepChecks(drill.stack).invoke("canary", SCHEDULED_EVENT)
        drill.logs("canary", "canary")


def draws(drill: Drill, **attributes: str) -> None:
    """Store a service whose window has closed, with its draw at some stage."""
    service = StepChecks(drill.stack).put_drawing_service()
    window = draw_window.windows_due(service, datetime.now(UTC))[-1]
    StepChecks(drill.stack).put("DRAWS#tirage", window.week, **attributes)
    restart(drill.stack, "draw")


RECORD = {"opens": "2026-01-01T00:00:00+00:00", "closes": "2026-01-02T00:00:00+00:00", "commitment": "0" * 64}


def draw_overdue(drill: Drill) -> None:
    """The round that decides a draw was published long ago, and none of its hosts has answered."""
    record = RECORD | {"beacon": {"kind": "drand", "chain": "", "round": 1}, "frozen_at": RECORD["closes"]}
    draws(drill, stage="frozen", record=json.dumps(record), lists="{}")
    try:
        drill.logs("draw", "draw-overdue")
    finally:
        forget_draws(drill)


def draw_void(drill: Drill) -> None:
    """The seed of a frozen draw does not exist."""
    record = RECORD | {"beacon": {"kind": "commitment"}, "frozen_at": RECORD["closes"]}
    draws(drill, stage="frozen", record=json.dumps(record), lists="{}")
    try:
        drill.logs("draw", "draw-void")
    finally:
        forget_draws(drill)


def forget_draws(drill: Drill) -> None:
    StepChecks(drill.stack).delete_all("DRAWS#tirage")
    drill.remove("tirage")
    restart(drill.stack, "draw")


def reputation(kind: str, event: str, metric: str, alarm: str) -> Callable[[Drill], None]:
    """Return the drill of a letter that SES reports. SES would compute the rate; here it is that of the drill."""

    def play(drill: Drill) -> None:
        email = f"{kind}+alarm@simulator.amazonses.com"
        drill.visitor.file(person(email=email, email_confirmation=email))
        until(lambda: logged(drill.stack, "feedback", f'"{event}"', drill.start))
        sent = [line for line in drill.alarms.read_log("mailer", drill.start) if line["event"] == "mail-sent"]
        reports = [line for line in drill.alarms.read_log("feedback", drill.start) if line["event"] == event]
        drill.alarms.count("AWS/SES", metric, len(reports) / len(sent))
        drill.rings(alarm)

    return play


DRILLS: dict[str, Callable[[Drill], None]] = {
    "failures": failures,
    **{f"{name}-throttled": throttled(name) for name in PATHS},
    "api-throttled": api_throttled,
    "table-throttled": table_throttled("hold", "UpdateItem", "WriteThrottleEvents", "table-throttled"),
    "reads-throttled": table_throttled("slots", "Query", "ReadThrottleEvents", "reads-throttled"),
    "mail-age": mail_age,
    "mailer-failures": mailer_failures,
    "unsent": unsent,
    "feedback-failures": feedback_failures,
    "undone": schedules_fail,
    "seats-missing": seats_missing,
    "draw-overdue": draw_overdue,
    "draw-void": draw_void,
    "canary": canary,
    "bounces": reputation("bounce", "mail-bounced", "Reputation.BounceRate", "bounces"),
    "complaints": reputation("complaint", "mail-complained", "Reputation.ComplaintRate", "complaints"),
    "mailer-lag": mailer_lag,  # last: the stack is old enough by then
}
TOGETHER = {f"{name}-failures" for name in CALLED_EACH_MINUTE} | {"release-stopped"}
"""Alarms that another drill, or the one of what has stopped, makes ring."""


@LONG
def test_every_alarm_of_the_stage_has_its_drill(drill: Drill) -> None:
    assert drill.alarms.named().keys() == DRILLS.keys() | TOGETHER
    silent = {name for name, alarm in drill.alarms.named().items() if alarm["TreatMissingData"] == "breaching"}
    assert silent == STOPS


@LONG
def test_no_alarm_rings_while_all_is_well(drill: Drill) -> None:
    drill.purge("unsent")  # what tests of roles have sent
    drill.purge("undone")
    key = {"pk": {"S": "PULSE"}, "sk": {"S": "EXPIRY"}}
    table = drill.stack.client("dynamodb")
    until(lambda: table.get_item(TableName=drill.stack.table, Key=key).get("Item"), seconds=SILENCE)
    drill.start = datetime.now(UTC)  # the first beat of a stage is no change, the next ones are
    StepChecks(drill.stack).invoke("canary", SCHEDULED_EVENT)  # its schedule is longer than this test
    time.sleep(SILENCE)
    for queue in ("unsent", "undone"):
        drill.queue(queue)
    for function in ("expiry", "draw", "mailer", "canary"):
        drill.alarms.read_log(function, drill.start)
    values = {name: drill.alarms.value(alarm, drill.start) for name, alarm in drill.alarms.named().items()}
    assert {name: values[name] for name in values if drill.alarms.rings(name, drill.start)} == {}
    assert {name for name in STOPS if values[name] is None} == set()  # they are quiet because they have a value


@LONG
@pytest.mark.parametrize("name", DRILLS)
def test_an_alarm_rings_when_its_condition_is_true(drill: Drill, name: str) -> None:
    DRILLS[name](drill)


@LONG
def test_the_alarms_of_what_must_run_ring_when_it_has_stopped(drill: Drill) -> None:
    """The schedules and the stream are disabled: no function fails, and there is no metric at all."""
    with drill.without("mailer", "canary", *CALLED_EACH_MINUTE):
        time.sleep(5)  # what runs now ends
        since = datetime.now(UTC)
        time.sleep(SILENCE)
        for function in ("expiry", "draw", "mailer", "canary"):
            drill.alarms.read_log(function, since)
        assert {name for name in drill.alarms.named() if drill.alarms.rings(name, since)} == STOPS
