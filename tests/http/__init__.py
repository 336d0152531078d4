"""The HTTP that an opening handshake needs, and `HttpServer`."""
