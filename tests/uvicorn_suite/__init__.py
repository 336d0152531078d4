"""uvicorn's own tests with our protocol (`make uvicorn`): nothing of them is copied, pip fetches them."""
