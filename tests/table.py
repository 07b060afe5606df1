"""The stage's table of infra/deploy/templates/data.yaml, as parameters of CreateTable."""

_KEYS = {"pk": "HASH", "sk": "RANGE"}
SHAPE = {
    "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in _KEYS.items()],
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in _KEYS],
    "BillingMode": "PAY_PER_REQUEST",
}
STREAM = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}}
