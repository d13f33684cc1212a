"""ArviZ's statistics of arrays, loaded after NumPyro.

arviz_base puts a lazy `numpyro` into sys.modules, after which `import numpyro.distributions` leaves a package without
its submodules as attributes; loading NumPyro first avoids that.
"""

from typing import Any

# isort: off
import numpyro as _numpyro  # noqa: F401 - see above
from arviz_stats.base import array as _array
# isort: on

array_stats: Any = _array.array_stats
