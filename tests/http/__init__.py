"""HTTP as far as an opening handshake needs it, and `HttpServer`."""
