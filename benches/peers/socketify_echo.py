"""socketify (uWebSockets for Python) on its own loop."""

from __future__ import annotations

import argparse
from typing import Any

from socketify import App, AppListenOptions, CompressOptions


def message(ws: Any, data: Any, opcode: Any) -> None:
    """Send every message back."""
    ws.send(data, opcode)


def message_deflate(ws: Any, data: Any, opcode: Any) -> None:
    """Send every message back, compressed."""
    ws.send(data, opcode, True)


def main(deflate: bool) -> None:
    """Serve until SIGTERM."""
    app = App()
    app.ws(
        "/*",
        {
            "compression": CompressOptions.SHARED_COMPRESSOR if deflate else CompressOptions.DISABLED,
            "max_payload_length": 16 * 1024 * 1024,
            "max_backpressure": 64 * 1024 * 1024,
            "idle_timeout": 120,
            "message": message_deflate if deflate else message,
        },
    )
    app.listen(
        AppListenOptions(port=0, host="127.0.0.1"),
        lambda config: print("listening", config.port, flush=True),
    )
    app.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deflate", action="store_true")
    main(parser.parse_args().deflate)
