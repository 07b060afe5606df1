"""The deployed service: each route has its function, each function its role, and the stream and the schedules work."""

import json
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from app import app
from chalicelib.web.handler import ANY_METHOD
from chalicelib.web.visit import UNKNOWN_PATH
from infra.local.settings import ACCOUNT, API, MAIL_FROM, REGION
from infra.local.stack import Stack
from tests.stack.visitor import JSON, Visitor, answered, key_of, person, until


def reads(*paths: str) -> set[tuple[str, str]]:
    """Return the routes of GET and HEAD for these paths."""
    return {(method, path) for method in ("GET", "HEAD") for path in paths}


PAGES = (
    *(
        "",
        "/confirmation",
        "/cancellation",
        "/preferences",
        "/move",
        "/convocation",
        "/calendar",
        "/correction",
        "/data",
        "/erasure",
    ),
)
SERVICE_PAGES = (
    "/services/{service}",
    "/services/{service}/documents",
    "/services/{service}/entries",
    "/services/{service}/figures",
)
ABOUT = ("/legal", "/accessibility", "/privacy", "/contact", "/sitemap")
ROUTES = {
    "page": {("POST", "/services/{service}/draws/{week}")}
    | reads(
        *("/", *SERVICE_PAGES, "/manage", *ABOUT, "/attempts", "/attempts/{token}"),
        *(f"/services/{{service}}/draws{path}" for path in ("", "/{week}", "/{week}/{list}")),
        *("/static/{file}", "/verify_draw.py", "/openapi.json", "/health", "/health/booking"),
    )
    | {(method, UNKNOWN_PATH) for method in ANY_METHOD},
    "slots": {*reads("/services/{service}/slots"), ("POST", "/services/{service}/attempts")},
    "hold": {
        ("POST", "/services/{service}/holds"),
        ("POST", "/services/{service}/entries"),
        ("POST", "/holds/{hold}/extension"),
        ("POST", "/holds/{hold}/end"),
    },
    "captcha": {
        *reads("/holds/{hold}"),
        ("POST", "/holds/{hold}/captcha"),
        ("POST", "/holds/{hold}/captcha/answer"),
        ("POST", "/holds/{hold}/seat"),
    },
    "request": {
        ("POST", "/holds/{hold}/details"),
        ("POST", "/holds/{hold}/email"),
        *reads(*(f"/requests/{{token}}{page}" for page in PAGES)),
        ("POST", "/requests/{token}/confirmation"),
        ("POST", "/requests/{token}/cancellation"),
        ("POST", "/requests/{token}/preferences"),
        ("POST", "/requests/{token}/renewal"),
        ("POST", "/requests/{token}/move"),
        ("POST", "/requests/{token}/convocation"),
        ("POST", "/requests/{token}/correction"),
        ("POST", "/requests/{token}/erasure"),
        ("POST", "/manage"),
    },
    "desk": {
        *reads("/desk", "/desk/sign-in", "/desk/callback", "/desk/{service}/accounts"),
        *reads(
            *(f"/desk/{{service}}/{page}" for page in ("day", "call", "seats/{seat}", "print", "export", "evening"))
        ),
        *(("POST", f"/desk/{{service}}/{page}") for page in ("day", "call", "search", "seats/{seat}")),
        *reads("/desk/{service}/walk-in"),
        *reads(
            "/desk/{service}/book", *(f"/desk/{{service}}/seats/{{seat}}/{page}" for page in ("convocation", "label"))
        ),
        ("POST", "/desk/{service}/book"),
        *reads(*(f"/desk/{{service}}/seats/{{seat}}/{page}" for page in ("details", "move", "cancellation"))),
        *(("POST", f"/desk/{{service}}/seats/{{seat}}/{page}") for page in ("details", "move", "cancellation")),
        *reads("/desk/{service}/week", "/desk/{service}/displays", "/display/{token}"),
        ("POST", "/desk/{service}/displays"),
        *reads("/desk/{service}/absence", "/desk/{service}/history"),
        ("POST", "/desk/{service}/absence"),
        ("POST", "/desk/sign-out"),
        ("POST", "/desk/sign-out-everywhere"),
        ("POST", "/desk/{service}/accounts"),
        ("POST", "/desk/{service}/accounts/{agent}"),
    },
}
START = {"logs:CreateLogStream", "logs:PutLogEvents", "kms:Decrypt"}
"""What each function needs to write its log and to read its settings."""
READ = {"dynamodb:GetItem", "dynamodb:Query"}
ACTIONS = {
    "page": {*START, *READ, "dynamodb:UpdateItem"},
    "slots": {*START, "dynamodb:Query", "dynamodb:UpdateItem"},
    "hold": {*START, *READ, "dynamodb:UpdateItem", "dynamodb:PutItem"},
    "captcha": {*START, *READ, "dynamodb:UpdateItem", "dynamodb:PutItem"},
    "request": {*START, *READ, "dynamodb:UpdateItem", "dynamodb:PutItem", "dynamodb:DeleteItem"}
    | {"dynamodb:ConditionCheckItem"},
    "desk": {*START, *READ, "dynamodb:UpdateItem", "dynamodb:PutItem", "dynamodb:DeleteItem"}
    | {"dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem"},
    "mailer": {
        *(*START, *READ, "dynamodb:UpdateItem", "ses:SendRawEmail", "sqs:SendMessage"),
        *("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"),
    },
    "feedback": {*START, *READ, "dynamodb:UpdateItem"},
    "release": {*START, *READ, "dynamodb:PutItem", "dynamodb:UpdateItem", "sqs:SendMessage"},
    "expiry": {*START, "dynamodb:Query", "dynamodb:UpdateItem", "sqs:SendMessage"},
    "draw": {*START, *READ, "dynamodb:PutItem", "dynamodb:UpdateItem", "sqs:SendMessage"},
    "canary": {*START, *READ, "dynamodb:PutItem", "dynamodb:DeleteItem", "sqs:SendMessage"},
    "office": {*START, *READ, "dynamodb:PutItem", "dynamodb:UpdateItem"},
}
DENIED_KEYS = {"draw": [["DESK*"]], "desk": [["DRAWSEED#*"], ["DESKAUDIT#*"], ["DESKHISTORY#*"]]}
"""The keys that a role is denied; those of all other roles are the seeds of draws and everything of the desk."""
QUEUES = {"mailer": "unsent", "release": "undone", "expiry": "undone", "draw": "undone", "canary": "undone"}
"""The queue of each function that has one: where what it could not do ends."""
FIGURES = ("holds_had", "first_at", "expired")
FUNCTIONS = sorted(ACTIONS)
DENIED = {"AccessDenied", "AccessDeniedException"}
SCHEDULED = 75.0
"""Seconds within which a function that runs every minute has done its work."""


@pytest.fixture(scope="module")
def visitor(stack: Stack) -> Visitor:
    return Visitor(stack)


@pytest.fixture(scope="module", autouse=True)
def overdue(stack: Stack, visitor: Visitor) -> dict[str, Any]:
    """Leave work for the schedules: an expired hold, an expired request and a missing seat.

    It is prepared before the first test of this file, so that a minute has passed when the last ones look at it. Their
    slots are late in the week, where no other test holds the first free seat.
    """
    table = stack.client("dynamodb")
    days = [day for day in answered(visitor.get("/services/aes/slots"), 200)["days"] if day["slots"]]
    slots = [{"date": days[-1]["date"], "start": slot["start"]} for slot in days[-1]["slots"][-2:]]
    hold, filed = (str(visitor.hold(**slot)["hold"]) for slot in slots)
    applicant = person()
    visitor.pass_captcha(filed)
    answered(visitor.post(f"/holds/{filed}/details", applicant), 202)
    request = visitor.link(applicant["email"])
    past = {":past": {"N": str(int((time.time() - 60) * 1000))}}
    for token in (hold, request):
        table.update_item(
            TableName=stack.table,
            Key=key_of(token),
            UpdateExpression="SET #until = :past",
            ExpressionAttributeNames={"#until": "until"},
            ExpressionAttributeValues=past,
        )
    seat = table.delete_item(TableName=stack.table, Key=last_seat(stack), ReturnValues="ALL_OLD")["Attributes"]
    return {"hold": hold, "request": request, "email": applicant["email"], "seat": seat}


def last_seat(stack: Stack) -> dict[str, Any]:
    """Return the key of the seat that is furthest ahead."""
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.table)
    seats = [item for page in pages for item in page["Items"] if item["pk"]["S"].startswith("SEATS#aes#")]
    last = max(seats, key=lambda item: str(item["sk"]["S"]))
    assert last["state"]["S"] == "open"
    return {"pk": last["pk"], "sk": last["sk"]}


def function_arn(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:guichet-laptop-{name}"


# Routes


def test_this_test_lists_every_route_of_the_code() -> None:
    declared = {(method, path) for path, methods in app.routes.items() for method in methods}
    listed = [route for routes in ROUTES.values() for route in routes]
    assert declared == set(listed)
    assert len(listed) == 151


def test_every_route_is_integrated_with_the_alias_of_its_function(stack: Stack) -> None:
    gateway = stack.client("apigateway")
    deployed: dict[str, set[tuple[str, str]]] = {}
    for resource in gateway.get_resources(restApiId=API, limit=500)["items"]:
        for method in resource.get("resourceMethods", {}):
            integration = gateway.get_integration(restApiId=API, resourceId=resource["id"], httpMethod=method)
            name = integration["uri"].removesuffix(":live/invocations").rpartition(":guichet-laptop-")[2]
            assert integration["uri"].endswith(f"/functions/{function_arn(name)}:live/invocations")
            assert integration["type"] == "AWS_PROXY"
            deployed.setdefault(name, set()).add((method, resource["path"]))
    assert deployed == ROUTES


@pytest.mark.parametrize("name", ROUTES)
def test_only_this_api_may_invoke_a_function_of_a_route(stack: Stack, name: str) -> None:
    policy = json.loads(
        stack.client("lambda").get_policy(FunctionName=f"guichet-laptop-{name}", Qualifier="live")["Policy"]
    )
    granted = {
        (statement["Action"], statement["Principal"]["Service"], source)
        for statement in policy["Statement"]
        for source in statement["Condition"]["ArnLike"].values()
    }
    api = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{API}/*"
    assert granted == {("lambda:InvokeFunction", "apigateway.amazonaws.com", api)}


def test_every_route_is_answered_by_its_own_function(stack: Stack, visitor: Visitor) -> None:
    start = int(time.time() * 1000)
    for method, path in (route for routes in ROUTES.values() for route in routes):
        names = {
            "{service}": "aes",
            "{hold}": "none",
            "{token}": "none",
            "{file}": "none.css",
            "{week}": "2026-W51",
            "{list}": "seats",
            "{agent}": "none",
            "{seat}": "none",
        }
        for variable, value in names.items():
            path = path.replace(variable, value)  # noqa: PLW2901 - the same path, filled
        answer = visitor.web.request(method, visitor.url(path), headers=JSON, timeout=30, allow_redirects=False)
        if path != "/health/booking":  # 503 until the canary has run
            assert answer.status_code < 500
    logs = stack.client("logs").get_paginator("filter_log_events")

    def all_logged() -> dict[str, set[tuple[str, str]]] | None:
        routes = {name: routes_answered(logs, name, start) for name in ROUTES}
        return routes if routes == ROUTES else None

    until(all_logged)


def routes_answered(logs: Any, name: str, start: int) -> set[tuple[str, str]]:
    """Return the routes that a function has answered since, by its log."""
    pages = logs.paginate(logGroupName=f"/aws/lambda/guichet-laptop-{name}", startTime=start)
    lines = [event["message"] for page in pages for event in page["events"]]
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    return {(entry["method"], entry["route"]) for entry in entries if entry["event"] == "request"}


# Roles


def role_of(stack: Stack, name: str) -> str:
    role: str = stack.client("lambda").get_function_configuration(FunctionName=f"guichet-laptop-{name}")["Role"]
    return role


def statements(stack: Stack, name: str) -> list[dict[str, Any]]:
    """Return the statements of the policies of a function's role."""
    iam, role = stack.client("iam"), role_of(stack, name).rpartition("/")[2]
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"] for policy in names]
    return [statement for document in documents for statement in document["Statement"]]


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_the_service_has_thirteen_functions_and_each_has_a_role_of_its_own(stack: Stack) -> None:
    functions = stack.client("lambda").list_functions()["Functions"]
    ours = [function for function in functions if function["FunctionName"].startswith("guichet-laptop-")]
    assert sorted(function["FunctionName"].removeprefix("guichet-laptop-") for function in ours) == FUNCTIONS
    assert len({function["Role"] for function in ours}) == 13


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_role_allows_what_the_design_says_and_nothing_else(stack: Stack, name: str) -> None:
    allowed = [statement for statement in statements(stack, name) if statement["Effect"] == "Allow"]
    denied = [statement for statement in statements(stack, name) if statement["Effect"] == "Deny"]
    keys = [statement["Condition"]["ForAnyValue:StringLike"]["dynamodb:LeadingKeys"] for statement in denied]
    assert keys == DENIED_KEYS.get(name, [["DRAWSEED#*", "DESK*"]])
    assert {action for statement in allowed for action in listed(statement["Action"])} == ACTIONS[name]
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{stack.table}"
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/guichet-laptop-{name}:*"
    for statement in allowed:
        for resource in listed(statement["Resource"]):
            services = {action.partition(":")[0] for action in listed(statement["Action"])}
            if services == {"sqs"}:
                assert resource == f"arn:aws:sqs:{REGION}:{ACCOUNT}:guichet-laptop-{QUEUES[name]}"
            elif services == {"kms"}:
                key = stack.client("kms").describe_key(KeyId="alias/guichet-laptop")
                assert resource == key["KeyMetadata"]["Arn"]
            elif services == {"ses"}:
                assert resource == "*"  # only here; see test_policies.py for AWS
            else:
                assert resource in (table, group) or resource.startswith(f"{table}/stream/")


Call = Callable[[Any, str], object]
NOTHING = {"pk": {"S": "CALENDAR#none"}, "sk": {"S": "none"}}  # the only items that `page` and `slots` may update
NEVER = {"ConditionExpression": "attribute_exists(never)"}  # nothing is written, even if the call is allowed
MAIL = b"From: rendez-vous@guichet.example\r\nTo: role@example.org\r\nSubject: A test\r\n\r\nOne line.\r\n"
CALLS: dict[str, tuple[str, Call]] = {
    "dynamodb:GetItem": ("dynamodb", lambda client, table: client.get_item(TableName=table, Key=NOTHING)),
    "dynamodb:Query": (
        "dynamodb",
        lambda client, table: client.query(
            TableName=table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": NOTHING["pk"]}
        ),
    ),
    "dynamodb:Scan": ("dynamodb", lambda client, table: client.scan(TableName=table, Limit=1)),
    "dynamodb:PutItem": ("dynamodb", lambda client, table: client.put_item(TableName=table, Item=NOTHING, **NEVER)),
    "dynamodb:UpdateItem": (
        "dynamodb",
        lambda client, table: client.update_item(
            TableName=table, Key=NOTHING, UpdateExpression="REMOVE never", **NEVER
        ),
    ),
    "dynamodb:DeleteItem": (
        "dynamodb",
        lambda client, table: client.delete_item(TableName=table, Key=NOTHING, **NEVER),
    ),
    "dynamodb:DescribeTable": ("dynamodb", lambda client, table: client.describe_table(TableName=table)),
    "ses:SendRawEmail": (
        "ses",
        lambda client, _table: client.send_raw_email(
            Source="rendez-vous@guichet.example", Destinations=["role@example.org"], RawMessage={"Data": MAIL}
        ),
    ),
    "sqs:SendMessage": ("sqs", lambda client, _table: send(client, "unsent")),
    "lambda:InvokeFunction": (
        "lambda",
        lambda client, _table: client.invoke(FunctionName="guichet-laptop-page", Payload=b"{}")["Payload"].read(),
    ),
}


def send(client: Any, queue: str) -> object:
    """Send a message to a queue of the stage."""
    url = f"{client.meta.endpoint_url}/{ACCOUNT}/guichet-laptop-{queue}"
    return client.send_message(QueueUrl=url, MessageBody="test")


def role_client(stack: Stack, name: str, service: str) -> Any:
    """Return a client that has the permissions of a function."""
    keys = stack.client("sts").assume_role(RoleArn=role_of(stack, name), RoleSessionName="test")["Credentials"]
    return boto3.client(
        service,
        endpoint_url=stack.endpoint,
        region_name=REGION,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def is_allowed(call: Call, client: Any, table: str) -> bool:
    """Make a call, and return whether the emulator allows it."""
    try:
        call(client, table)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert code in {*DENIED, "ConditionalCheckFailedException", "TransactionCanceledException"}
        return code not in DENIED
    return True


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_emulator_allows_a_function_its_own_calls_and_no_others(stack: Stack, name: str) -> None:
    clients = {service: role_client(stack, name, service) for service in {service for service, _ in CALLS.values()}}
    calls = {**CALLS, "sqs:SendMessage": ("sqs", lambda client, _table: send(client, QUEUES.get(name, "undone")))}
    allowed = {action for action, (service, call) in calls.items() if is_allowed(call, clients[service], stack.table)}
    assert allowed == ACTIONS[name] & set(CALLS)
    assert not is_allowed(CALLS["dynamodb:Query"][1], clients["dynamodb"], "guichet-other")


def at(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "none"}}


def transact(*parts: dict[str, Any]) -> Call:
    """Return a transaction that writes nothing, even if it is allowed."""

    def call(client: Any, table: str) -> object:
        named = [{kind: {"TableName": table, **NEVER, **of} for kind, of in part.items()} for part in parts]
        return client.transact_write_items(TransactItems=named)

    return call


def put(pk: str) -> dict[str, Any]:
    return {"Put": {"Item": at(pk)}}


def update(pk: str) -> dict[str, Any]:
    return {"Update": {"Key": at(pk), "UpdateExpression": "REMOVE never"}}


KEYED: dict[str, Callable[[str], Call]] = {
    "GetItem": lambda pk: lambda client, table: client.get_item(TableName=table, Key=at(pk)),
    "Query": lambda pk: (
        lambda client, table: client.query(
            TableName=table,
            KeyConditionExpression="#key = :key AND sk > :sk",
            ExpressionAttributeNames={"#key": "pk"},
            ExpressionAttributeValues={":key": {"S": pk}, ":sk": {"S": "Key"}},
        )
    ),
    "BatchGetItem": lambda pk: (
        lambda client, table: client.batch_get_item(RequestItems={table: {"Keys": [NOTHING, at(pk)]}})
    ),
    "PutItem": lambda pk: lambda client, table: client.put_item(TableName=table, Item=at(pk), **NEVER),
    "UpdateItem": lambda pk: (
        lambda client, table: client.update_item(TableName=table, Key=at(pk), UpdateExpression="REMOVE never", **NEVER)
    ),
    "DeleteItem": lambda pk: lambda client, table: client.delete_item(TableName=table, Key=at(pk), **NEVER),
    "TransactWriteItems with the item last": lambda pk: transact(put("TEST#other"), put(pk)),
    "TransactWriteItems with the item first": lambda pk: transact(put(pk), put("TEST#other")),
}
"""Calls about an item of this partition."""


@pytest.mark.parametrize("call", KEYED)
@pytest.mark.parametrize("pk", ["DRAWSEED#aes", "DESKAUDIT#aes#2026-12-08", "DESKAGENTS"])
def test_the_role_of_a_function_is_refused_seeds_and_agents(stack: Stack, call: str, pk: str) -> None:
    only_of_desk = call in {"BatchGetItem", "DeleteItem"}
    client = role_client(stack, "desk" if only_of_desk else "office", "dynamodb")
    assert is_allowed(KEYED[call](pk), client, stack.table) == (only_of_desk and pk == "DESKAGENTS")
    assert is_allowed(KEYED[call]("TEST#none"), client, stack.table)


def test_the_role_of_the_desk_only_adds_to_the_audit_also_beside_other_writes(stack: Stack) -> None:
    client, audit = role_client(stack, "desk", "dynamodb"), "DESKAUDIT#aes#2026-12-08"
    assert is_allowed(KEYED["PutItem"](audit), client, stack.table)
    assert is_allowed(transact(update("SEATS#aes#2026-W51"), put(audit)), client, stack.table)
    assert not is_allowed(transact(put("SEATS#aes#2026-W51"), update(audit)), client, stack.table)
    assert not is_allowed(KEYED["UpdateItem"](audit), client, stack.table)
    assert is_allowed(KEYED["Query"]("DESKHISTORY#aes"), client, stack.table)
    assert not is_allowed(KEYED["DeleteItem"]("DESKHISTORY#aes"), client, stack.table)


@pytest.mark.parametrize("name", ["page", "slots"])
def test_a_function_that_only_shows_updates_snapshots_only(stack: Stack, name: str) -> None:
    client = role_client(stack, name, "dynamodb")
    assert is_allowed(KEYED["UpdateItem"]("CALENDAR#aes#2026-W51"), client, stack.table)
    assert not is_allowed(KEYED["UpdateItem"]("SEATS#aes#2026-W51"), client, stack.table)
    assert not is_allowed(transact(update("CALENDAR#aes#2026-W51"), update("SEATS#aes#2026-W51")), client, stack.table)


def test_the_role_of_the_draw_function_reads_seeds_and_no_agents(stack: Stack) -> None:
    client = role_client(stack, "draw", "dynamodb")
    assert is_allowed(KEYED["GetItem"]("DRAWSEED#aes"), client, stack.table)
    assert not is_allowed(KEYED["GetItem"]("DESKAGENTS"), client, stack.table)


def test_a_hold_fails_when_its_role_may_not_write(stack: Stack, visitor: Visitor) -> None:
    iam, role = stack.client("iam"), role_of(stack, "hold").rpartition("/")[2]
    wish = {"first_free": True, "conditions_accepted": True}
    deny = {"Effect": "Deny", "Action": "dynamodb:UpdateItem", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    iam.put_role_policy(RoleName=role, PolicyName="test", PolicyDocument=document)
    try:
        assert visitor.post("/services/aes/holds", wish).status_code >= 500
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="test")
    hold = answered(visitor.post("/services/aes/holds", wish), 201)["hold"]
    answered(visitor.post(f"/holds/{hold}/end"), 200)


def test_only_the_draw_and_the_desk_function_load_a_layer_and_each_its_own(stack: Stack) -> None:
    functions = stack.client("lambda").list_functions()["Functions"]
    layers = {
        function["FunctionName"].removeprefix("guichet-laptop-"): [
            layer["Arn"].rpartition(":")[0] for layer in function.get("Layers", ())
        ]
        for function in functions
    }
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:guichet-laptop-"
    assert {name: used for name, used in layers.items() if used} == {"draw": [f"{arn}draw"], "desk": [f"{arn}desk"]}


# The stream and the schedules


def test_only_the_mailer_reads_the_stream(stack: Stack) -> None:
    table = stack.client("dynamodb").describe_table(TableName=stack.table)["Table"]
    mappings = stack.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert [(mapping["FunctionArn"], mapping["EventSourceArn"], mapping["State"]) for mapping in mappings] == [
        (f"{function_arn('mailer')}:live", table["LatestStreamArn"], "Enabled")
    ]
    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert mappings[0]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:guichet-laptop-unsent"
    assert mappings[0]["DestinationConfig"] == {"OnFailure": {"Destination": queue}}
    assert (mappings[0]["MaximumRetryAttempts"], mappings[0]["BisectBatchOnFunctionError"]) == (20, True)


def test_only_the_feedback_function_is_notified_about_letters(stack: Stack) -> None:
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:guichet-laptop-feedback"
    (subscription,) = stack.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("lambda", f"{function_arn('feedback')}:live")
    ses = stack.client("sesv2")
    configuration_set = ses.get_email_identity(EmailIdentity=MAIL_FROM)["ConfigurationSetName"]
    events = ses.get_configuration_set_event_destinations(ConfigurationSetName=configuration_set)
    (destination,) = events["EventDestinations"]
    assert (destination["Enabled"], destination["SnsDestination"]) == (True, {"TopicArn": topic})
    assert set(destination["MatchingEventTypes"]) == {"BOUNCE", "COMPLAINT", "DELIVERY"}


@pytest.mark.parametrize(
    ("name", "metric", "threshold"),
    [
        ("unsent", ("AWS/SQS", "ApproximateNumberOfMessagesVisible", [("QueueName", "guichet-laptop-unsent")]), 1),
        ("bounces", ("AWS/SES", "Reputation.BounceRate", []), 0.02),
        ("complaints", ("AWS/SES", "Reputation.ComplaintRate", []), 0.0005),
    ],
)
def test_there_is_an_alarm_for_unsent_letters_bounces_and_complaints(
    stack: Stack, name: str, metric: tuple[object, ...], threshold: float
) -> None:
    alarm = stack.client("cloudwatch").describe_alarms(AlarmNames=[f"guichet-laptop-{name}"])["MetricAlarms"][0]
    dimensions = [(dimension["Name"], dimension["Value"]) for dimension in alarm.get("Dimensions", [])]
    assert (alarm["Namespace"], alarm["MetricName"], dimensions) == metric
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanOrEqualToThreshold", threshold)


def test_release_expiry_draw_and_canary_have_a_schedule_each(stack: Stack) -> None:
    events = stack.client("events")
    rules = [rule for rule in events.list_rules()["Rules"] if rule["Name"].startswith("guichet-laptop-")]
    targets = {
        target["Arn"]: (rule["ScheduleExpression"], rule["State"])
        for rule in rules
        for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    }
    assert targets == {
        f"{function_arn('release')}:live": ("rate(1 minute)", "ENABLED"),
        f"{function_arn('expiry')}:live": ("rate(1 minute)", "ENABLED"),
        f"{function_arn('draw')}:live": ("rate(1 minute)", "ENABLED"),
        f"{function_arn('canary')}:live": ("rate(1 day)", "ENABLED"),
    }


def test_the_schedule_ends_an_expired_hold(visitor: Visitor, overdue: dict[str, Any]) -> None:
    seat = until(lambda: ended(visitor, overdue["hold"]), seconds=SCHEDULED)
    assert set(seat) == {"pk", "sk", "opens_at", "state", "erase_at", *FIGURES[:2]}


def ended(visitor: Visitor, token: str) -> dict[str, Any] | None:
    """Return the seat of a hold or request once it is open again."""
    seat = visitor.item(token)
    return seat if seat["state"]["S"] == "open" else None


def test_the_schedule_ends_a_request_that_was_not_confirmed_and_sends_a_letter(
    visitor: Visitor, overdue: dict[str, Any]
) -> None:
    seat = until(lambda: ended(visitor, overdue["request"]), seconds=SCHEDULED)
    assert set(seat) == {"pk", "sk", "opens_at", "state", "erase_at", "person", "past", "past_state", *FIGURES}
    assert seat["past_state"]["S"] == "expired"
    hours = (int(seat["opens_at"]["N"]) / 1000 - time.time()) / 3600
    assert hours > 1.9
    assert answered(visitor.get(overdue["request"]), 200)["state"] == "expired"
    assert visitor.letter(overdue["email"], 2)["subject"] == "Votre demande de rendez-vous a pris fin"


def test_the_schedule_creates_a_missing_seat(stack: Stack, overdue: dict[str, Any]) -> None:
    table, seat = stack.client("dynamodb"), overdue["seat"]
    key = {name: seat[name] for name in ("pk", "sk")}
    created = until(lambda: table.get_item(TableName=stack.table, Key=key).get("Item"), seconds=SCHEDULED)
    assert created == seat
