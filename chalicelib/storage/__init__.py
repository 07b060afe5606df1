"""The DynamoDB table: items and keys, conditional writes, transactions, and what a process caches of them."""
