"""What checkov finds in the templates needs a reason, and a reason needs a finding."""

from infra.deploy import scan


def test_a_finding_without_a_reason_fails_and_so_does_a_reason_without_a_finding() -> None:
    found = {(rule, pattern.replace("*", "Name")) for rule, pattern in scan.EXCEPTIONS}
    assert scan.judge(found) == []
    (line,) = scan.judge({*found, ("CKV_AWS_18", "AWS::S3::Bucket.Packages")})
    assert line == "CKV_AWS_18 AWS::S3::Bucket.Packages: change it, or give the reason in infra/deploy/scan.py"
    (line,) = scan.judge(found - {("CKV_AWS_192", "AWS::WAFv2::WebACL.Limits")})
    assert line == "CKV_AWS_192 AWS::WAFv2::WebACL.Limits: nothing is found any more, remove the reason"
