"""The contract between core and a storage driver.

A driver author reads this package and nothing else of mqcore: `controllers` says what each
operation promises, `values` what crosses the line, `errors` what may be raised, `capabilities`
what a store may declare on top, `driver` how the pieces are opened and closed. `calls`, `waking`
and `cooperation` have parts that a driver may be made of. The reference driver, `mqcore/memory`,
is the shortest code that keeps every promise.
"""

from . import (
    calls,
    capabilities,
    controllers,
    cooperation,
    driver,
    errors,
    ids,
    uri,
    values,
    waking,
    watchers,
)
from .calls import *
from .capabilities import *
from .controllers import *
from .cooperation import *
from .driver import *
from .errors import *
from .ids import *
from .uri import *
from .values import *
from .waking import *
from .watchers import *

__all__ = []
__all__ += calls.__all__
__all__ += capabilities.__all__
__all__ += controllers.__all__
__all__ += cooperation.__all__
__all__ += driver.__all__
__all__ += errors.__all__
__all__ += ids.__all__
__all__ += uri.__all__
__all__ += values.__all__
__all__ += waking.__all__
__all__ += watchers.__all__
