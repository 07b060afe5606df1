"""Deploy a stage to AWS: settings, packages, CloudFormation stacks and a smoke test."""
