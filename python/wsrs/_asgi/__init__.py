"""What the integrations with ASGI servers are made of."""
