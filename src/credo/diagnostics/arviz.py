"""ArviZ's statistics of arrays, loaded after NumPyro.

arviz_base puts a lazy `numpyro` into sys.modules, after which `import numpyro.distributions` leaves a package without
its submodules as attributes; loading NumPyro first avoids that.
"""

# isort: off
import numpyro as _numpyro  # noqa: F401 - see above
from arviz_stats.base import array as arviz_array
# isort: on

__all__ = ["arviz_array"]
