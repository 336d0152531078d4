"""Both cores keep the protocols of the seam: what the API may call is there, with these types."""

from __future__ import annotations

from wsrs import _backend, _core, _pure

core: _backend.Backend = _core
pure: _backend.Backend = _pure
