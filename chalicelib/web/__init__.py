"""The HTTP layer: API Gateway requests in, pages and JSON out."""
