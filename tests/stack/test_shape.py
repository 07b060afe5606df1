"""The deployed shape: every route at its own function, every function with its own role, the stream and the clock."""

import json
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from app import app
from infra.deploy.package import ROOT
from infra.local.stack import ACCOUNT, API, MAIL_FROM, REGION, Stack
from tests.stack.visitor import JSON, Visitor, answered, key_of, person, until


def looks(*paths: str) -> set[tuple[str, str]]:
    """GET and HEAD of these paths."""
    return {(look, path) for look in ("GET", "HEAD") for path in paths}


PAGES = ("", "/confirmation", "/cancellation", "/move", "/convocation", "/correction", "/data", "/erasure")
ROUTES = {
    "page": looks("/", "/services/{service}", "/manage", "/static/{file}", "/openapi.json", "/health"),
    "slots": looks("/services/{service}/slots"),
    "hold": {
        ("POST", "/services/{service}/holds"),
        ("POST", "/holds/{hold}/extension"),
        ("POST", "/holds/{hold}/end"),
    },
    "captcha": {
        *looks("/holds/{hold}"),
        ("POST", "/holds/{hold}/captcha"),
        ("POST", "/holds/{hold}/captcha/answer"),
    },
    "request": {
        ("POST", "/holds/{hold}/details"),
        ("POST", "/holds/{hold}/email"),
        *looks(*(f"/requests/{{token}}{page}" for page in PAGES)),
        ("POST", "/requests/{token}/confirmation"),
        ("POST", "/requests/{token}/cancellation"),
        ("POST", "/requests/{token}/move"),
        ("POST", "/requests/{token}/convocation"),
        ("POST", "/requests/{token}/correction"),
        ("POST", "/requests/{token}/erasure"),
        ("POST", "/manage"),
    },
}
LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
LOOK = {"dynamodb:GetItem", "dynamodb:Query"}
ACTIONS = {
    "page": {*LOGS, "dynamodb:Query"},
    "slots": {*LOGS, "dynamodb:Query"},
    "hold": {*LOGS, *LOOK, "dynamodb:UpdateItem", "dynamodb:PutItem"},
    "captcha": {*LOGS, *LOOK, "dynamodb:UpdateItem", "dynamodb:PutItem"},
    "request": {*LOGS, *LOOK, "dynamodb:UpdateItem", "dynamodb:PutItem", "dynamodb:DeleteItem"},
    "mailer": {
        *(*LOGS, *LOOK, "dynamodb:UpdateItem", "ses:SendRawEmail", "sqs:SendMessage"),
        *("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"),
    },
    "feedback": {*LOGS, *LOOK, "dynamodb:UpdateItem"},
    "release": {*LOGS, "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query"},
    "expiry": {*LOGS, "dynamodb:Query", "dynamodb:UpdateItem"},
}
FIGURES = ("holds_had", "first_at", "expired")
FUNCTIONS = sorted(ACTIONS)
DENIED = {"AccessDenied", "AccessDeniedException"}
SCHEDULED = 75.0  # seconds: a minute, and the time to do it


@pytest.fixture(scope="module")
def visitor(stack: Stack) -> Visitor:
    return Visitor(stack)


def function_arn(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:guichet-laptop-{name}"


# Routes


def test_every_route_of_the_code_is_in_the_table_of_this_test() -> None:
    declared = {(method, path) for path, methods in app.routes.items() for method in methods}
    listed = [route for routes in ROUTES.values() for route in routes]
    assert declared == set(listed)
    assert len(listed) == 46


def test_every_route_is_integrated_with_its_own_function_and_none_is_without(stack: Stack) -> None:
    gateway = stack.client("apigateway")
    deployed: dict[str, set[tuple[str, str]]] = {}
    for resource in gateway.get_resources(restApiId=API, limit=500)["items"]:
        for method in resource.get("resourceMethods", {}):
            found = gateway.get_integration(restApiId=API, resourceId=resource["id"], httpMethod=method)
            name = found["uri"].removesuffix(":live/invocations").rpartition(":guichet-laptop-")[2]
            assert found["uri"].endswith(f"/functions/{function_arn(name)}:live/invocations")
            assert found["type"] == "AWS_PROXY"
            deployed.setdefault(name, set()).add((method, resource["path"]))
    assert deployed == ROUTES


@pytest.mark.parametrize("name", ROUTES)
def test_a_function_may_be_invoked_by_this_api_alone(stack: Stack, name: str) -> None:
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


def test_every_route_is_really_answered_by_its_own_function(stack: Stack, visitor: Visitor) -> None:
    began = int(time.time() * 1000)
    for method, path in (route for routes in ROUTES.values() for route in routes):
        names = {"{service}": "aes", "{hold}": "none", "{token}": "none", "{file}": "none.css"}
        for variable, value in names.items():
            path = path.replace(variable, value)  # noqa: PLW2901 - the same path, filled
        assert visitor.web.request(method, visitor.url(path), headers=JSON, timeout=30).status_code < 500
    logs = stack.client("logs").get_paginator("filter_log_events")

    def seen() -> dict[str, set[tuple[str, str]]] | None:
        routes = {name: answered_by(logs, name, began) for name in ROUTES}
        return routes if routes == ROUTES else None

    until(seen)


def answered_by(logs: Any, name: str, began: int) -> set[tuple[str, str]]:
    """The routes that a function says it has answered since."""
    pages = logs.paginate(logGroupName=f"/aws/lambda/guichet-laptop-{name}", startTime=began)
    lines = [event["message"] for page in pages for event in page["events"]]
    said = [json.loads(line) for line in lines if line.startswith("{")]
    return {(line["method"], line["route"]) for line in said if line["event"] == "request"}


# Roles


def role_of(stack: Stack, name: str) -> str:
    role: str = stack.client("lambda").get_function_configuration(FunctionName=f"guichet-laptop-{name}")["Role"]
    return role


def statements(stack: Stack, name: str) -> list[dict[str, Any]]:
    """All that the role of a function is allowed."""
    iam, role = stack.client("iam"), role_of(stack, name).rpartition("/")[2]
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"] for policy in names]
    return [statement for document in documents for statement in document["Statement"]]


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_the_service_has_nine_functions_and_each_has_a_role_of_its_own(stack: Stack) -> None:
    found = stack.client("lambda").list_functions()["Functions"]
    ours = [function for function in found if function["FunctionName"].startswith("guichet-laptop-")]
    assert sorted(function["FunctionName"].removeprefix("guichet-laptop-") for function in ours) == FUNCTIONS
    assert len({function["Role"] for function in ours}) == 9


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_role_allows_what_the_design_says_and_nothing_else(stack: Stack, name: str) -> None:
    allowed = statements(stack, name)
    assert {statement["Effect"] for statement in allowed} == {"Allow"}
    assert {action for statement in allowed for action in listed(statement["Action"])} == ACTIONS[name]
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{stack.table}"
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/guichet-laptop-{name}:*"
    for statement in allowed:
        for resource in listed(statement["Resource"]):
            services = {action.partition(":")[0] for action in listed(statement["Action"])}
            if services == {"sqs"}:
                assert resource == f"arn:aws:sqs:{REGION}:{ACCOUNT}:guichet-laptop-unsent"
            elif services == {"ses"}:
                assert resource == "*"  # the engine knows no sender by name; AWS does: the next test
            else:
                assert resource in (table, group) or resource.startswith(f"{table}/stream/")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_statement_names_everything_on_a_deployed_stage(name: str) -> None:
    document = json.loads((ROOT / ".chalice" / f"policy-{name}.json").read_text())
    for statement in document["Statement"]:
        resource = statement["Resource"]
        if isinstance(resource, dict) and "Fn::If" in resource:
            condition, _, resource = resource["Fn::If"]
            assert condition == "OnLaptop"
        assert "*" not in {resource if isinstance(resource, str) else "", *listed(statement["Action"])}
        assert not any(action.endswith("*") for action in listed(statement["Action"]))


Call = Callable[[Any, str], object]
NOTHING = {"pk": {"S": "TEST#none"}, "sk": {"S": "none"}}
NEVER = {"ConditionExpression": "attribute_exists(never)"}  # allowed or not, nothing is written
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
    "sqs:SendMessage": (
        "sqs",
        lambda client, _table: client.send_message(
            QueueUrl=f"{client.meta.endpoint_url}/{ACCOUNT}/guichet-laptop-unsent", MessageBody="test"
        ),
    ),
    "lambda:InvokeFunction": (
        "lambda",
        lambda client, _table: client.invoke(FunctionName="guichet-laptop-page", Payload=b"{}"),
    ),
}


def as_role(stack: Stack, name: str) -> boto3.Session:
    """What a function may do, in its own role."""
    given = stack.client("sts").assume_role(RoleArn=role_of(stack, name), RoleSessionName="test")["Credentials"]
    return boto3.Session(
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        region_name=REGION,
    )


def passes(call: Call, client: Any, table: str) -> bool:
    """Whether the engine lets this call through, whatever comes of it."""
    try:
        call(client, table)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert code in {*DENIED, "ConditionalCheckFailedException"}
        return code not in DENIED
    return True


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_engine_lets_a_function_do_its_own_calls_and_no_other(stack: Stack, name: str) -> None:
    session = as_role(stack, name)
    clients = {kind: session.client(kind, endpoint_url=stack.endpoint) for kind, _ in CALLS.values()}
    done = {action for action, (kind, call) in CALLS.items() if passes(call, clients[kind], stack.table)}
    assert done == ACTIONS[name] & set(CALLS)
    assert not passes(CALLS["dynamodb:Query"][1], clients["dynamodb"], "guichet-other")


def test_a_function_whose_role_loses_its_write_can_hold_no_seat(stack: Stack, visitor: Visitor) -> None:
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


# The stream and the clock


def test_the_mailer_alone_listens_to_the_stream_of_the_table(stack: Stack) -> None:
    table = stack.client("dynamodb").describe_table(TableName=stack.table)["Table"]
    mappings = stack.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert [(found["FunctionArn"], found["EventSourceArn"], found["State"]) for found in mappings] == [
        (f"{function_arn('mailer')}:live", table["LatestStreamArn"], "Enabled")
    ]
    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert mappings[0]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:guichet-laptop-unsent"
    assert mappings[0]["DestinationConfig"] == {"OnFailure": {"Destination": queue}}
    assert (mappings[0]["MaximumRetryAttempts"], mappings[0]["BisectBatchOnFunctionError"]) == (20, True)


def test_feedback_alone_hears_what_ses_says_of_a_letter(stack: Stack) -> None:
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:guichet-laptop-feedback"
    found = stack.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [(one["Protocol"], one["Endpoint"]) for one in found] == [("lambda", f"{function_arn('feedback')}:live")]
    letters = stack.client("sesv2")
    sender = letters.get_email_identity(EmailIdentity=MAIL_FROM)
    events = letters.get_configuration_set_event_destinations(ConfigurationSetName=sender["ConfigurationSetName"])
    (told,) = events["EventDestinations"]
    assert (told["Enabled"], told["SnsDestination"]) == (True, {"TopicArn": topic})
    assert set(told["MatchingEventTypes"]) == {"BOUNCE", "COMPLAINT", "DELIVERY"}


@pytest.mark.parametrize(
    ("name", "metric", "threshold"),
    [
        ("unsent", ("AWS/SQS", "ApproximateNumberOfMessagesVisible", [("QueueName", "guichet-laptop-unsent")]), 1),
        ("bounces", ("AWS/SES", "Reputation.BounceRate", []), 0.02),
        ("complaints", ("AWS/SES", "Reputation.ComplaintRate", []), 0.0005),
    ],
)
def test_an_alarm_rings_when_letters_are_given_up_bounce_or_are_unwanted(
    stack: Stack, name: str, metric: tuple[object, ...], threshold: float
) -> None:
    alarm = stack.client("cloudwatch").describe_alarms(AlarmNames=[f"guichet-laptop-{name}"])["MetricAlarms"][0]
    dimensions = [(one["Name"], one["Value"]) for one in alarm.get("Dimensions", [])]
    assert (alarm["Namespace"], alarm["MetricName"], dimensions) == metric
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanOrEqualToThreshold", threshold)


def test_release_and_expiry_have_a_schedule_each(stack: Stack) -> None:
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
    }


@pytest.fixture(scope="module")
def neglected(stack: Stack, visitor: Visitor) -> dict[str, Any]:
    """A hold and a request whose time ran out a minute ago, and a seat that is missing."""
    table = stack.client("dynamodb")
    hold = visitor.hold()["hold"]
    absent = person()
    visitor.file(absent)
    request = visitor.link(absent["email"])
    past = {":past": {"N": str(int((time.time() - 60) * 1000))}}
    for token in (hold, request):
        table.update_item(
            TableName=stack.table,
            Key=key_of(token),
            UpdateExpression="SET #until = :past",
            ExpressionAttributeNames={"#until": "until"},
            ExpressionAttributeValues=past,
        )
    far = last_seat(stack)
    seat = table.delete_item(TableName=stack.table, Key=far, ReturnValues="ALL_OLD")["Attributes"]
    return {"hold": hold, "request": request, "address": absent["email"], "seat": seat}


def last_seat(stack: Stack) -> dict[str, Any]:
    """The key of the seat that is furthest ahead."""
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.table)
    seats = [item for page in pages for item in page["Items"] if item["pk"]["S"].startswith("SEATS#aes#")]
    last = max(seats, key=lambda item: str(item["sk"]["S"]))
    assert last["state"]["S"] == "open"
    return {"pk": last["pk"], "sk": last["sk"]}


def test_the_clock_ends_a_hold_that_ran_out(visitor: Visitor, neglected: dict[str, Any]) -> None:
    seat = until(lambda: ended(visitor, neglected["hold"]), seconds=SCHEDULED)
    assert set(seat) == {"pk", "sk", "opens_at", "state", "erase_at", *FIGURES[:2]}


def ended(visitor: Visitor, token: str) -> dict[str, Any] | None:
    seat = visitor.item(token)
    return seat if seat["state"]["S"] == "open" else None


def test_the_clock_ends_a_request_that_nobody_confirmed(visitor: Visitor, neglected: dict[str, Any]) -> None:
    seat = until(lambda: ended(visitor, neglected["request"]), seconds=SCHEDULED)
    assert set(seat) == {"pk", "sk", "opens_at", "state", "erase_at", "person", "past", "past_state", *FIGURES}
    assert seat["past_state"]["S"] == "expired"
    hours = (int(seat["opens_at"]["N"]) / 1000 - time.time()) / 3600
    assert hours > 1.9
    assert answered(visitor.get(neglected["request"]), 200)["state"] == "expired"
    assert visitor.letter(neglected["address"], 2)["subject"] == "Votre demande de rendez-vous a pris fin"


def test_the_clock_makes_a_seat_that_is_missing(stack: Stack, neglected: dict[str, Any]) -> None:
    table, seat = stack.client("dynamodb"), neglected["seat"]
    key = {name: seat[name] for name in ("pk", "sk")}
    made = until(lambda: table.get_item(TableName=stack.table, Key=key).get("Item"), seconds=SCHEDULED)
    assert made == seat
