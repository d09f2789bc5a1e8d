"""The contract suite that every connector's test class inherits.

```python
class TestAcme(ConnectorContract):
    fake_class = Fake

    def connector(self, fake, context): ...
```

A connector that only reads inherits `ReadingContract`, a channel that only writes `WritingContract`.
"""

from __future__ import annotations

from syncd.sdk.contract.faults import FaultContract
from syncd.sdk.contract.harness import AT, CONNECTION, NOW, Clock, ContractHarness, context_for, is_inapplicable
from syncd.sdk.contract.writing import WritingContract


class ReadingContract(FaultContract):
    """All cases on reading."""


class ConnectorContract(ReadingContract, WritingContract):
    """All cases."""


__all__ = [
    "AT",
    "CONNECTION",
    "NOW",
    "Clock",
    "ConnectorContract",
    "ContractHarness",
    "ReadingContract",
    "WritingContract",
    "context_for",
    "is_inapplicable",
]
