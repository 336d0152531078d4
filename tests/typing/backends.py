"""Both cores implement the protocols of the contract: everything that the API calls exists with these
types."""

from __future__ import annotations

from wsrs import _core, _pure
from wsrs._backend import contract

core: contract.Backend = _core
pure: contract.Backend = _pure
