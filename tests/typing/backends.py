"""Both cores keep the protocols of the seam: what the API may call is there, with these types."""

from __future__ import annotations

from wsrs import _core, _pure
from wsrs._backend import contract

core: contract.Backend = _core
pure: contract.Backend = _pure
