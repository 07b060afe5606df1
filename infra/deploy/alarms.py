"""Whether anybody hears the alarms of a stage: the topic that they are sent to, and who has subscribed to it."""

from infra.deploy.aws import CannotDeploy
from infra.deploy.output import say
from infra.deploy.stacks import Deployment
from infra.deploy.stage import Stage

AWS_KEY = "alias/aws/sns"
"""The key of AWS that encrypts topics. CloudWatch may not use it, and so cannot send to such a topic."""
TRY = "try it: aws cloudwatch set-alarm-state --alarm-name guichet-{}-failures --state-value ALARM --state-reason drill"


def check_topic(stage: Stage, deployment: Deployment) -> None:
    """Check that CloudWatch can send to the stage's topic. Warn about a topic of another account: it cannot be read."""
    topic = stage.app.get("AlarmTopic", "")
    if not topic:
        return None
    region, account = topic.split(":")[3:5]
    if region != stage.region:
        raise CannotDeploy(f"AlarmTopic is in {region}: an alarm sends to topics of its own region, {stage.region}")
    if account != stage.account:
        return say(
            f"warning: AlarmTopic belongs to the account {account}. Its policy must let cloudwatch.amazonaws.com "
            f"publish for {stage.account}, and nothing here can check that: {TRY.format(stage.name)}"
        )
    sns = deployment.client("sns")
    try:
        key = sns.get_topic_attributes(TopicArn=topic)["Attributes"].get("KmsMasterKeyId", "")
    except sns.exceptions.NotFoundException as error:
        raise CannotDeploy(f"AlarmTopic {topic} does not exist: create it, or set AlarmEmail instead") from error
    if key == AWS_KEY or key.endswith(f":{AWS_KEY}"):
        raise CannotDeploy(
            f"AlarmTopic is encrypted with {AWS_KEY}, which CloudWatch may not use: encrypt it with a key of your own"
        )
    return None


def audience(stage: Stage, deployment: Deployment, cdn: Deployment) -> list[str]:
    """Return who hears the alarms of a deployed stage, as a line for each of its regions."""
    lines = [f"alarms: {_hearers(deployment, deployment.app_stack, stage.app.get('AlarmTopic', ''), stage.account)}"]
    if stage.cdn:
        topic = stage.cdn.get("CdnAlarmTopic", "")
        lines.append(f"alarms of the CDN: {_hearers(cdn, cdn.cdn_stack, topic, stage.account)}")
    return lines


def _hearers(deployment: Deployment, stack: str, topic: str, account: str) -> str:
    topic = topic or deployment.stacks.outputs(stack).get("AlarmMails", "")
    if not topic:
        return "nobody hears them, because the settings have neither a topic nor AlarmEmail"
    if topic.split(":")[4] != account:
        return f"{topic}, of which another account knows the subscribers"
    attributes = deployment.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
    if int(attributes["SubscriptionsConfirmed"]):
        return topic
    return f"nobody hears them: {topic} has no confirmed subscription. Open the link in the e-mail that AWS sent"
