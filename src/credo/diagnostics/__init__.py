"""What may be believed of a result: a summary, one check per file, and the verdict over them."""

# arviz_base puts a lazy `numpyro` into sys.modules, after which `import numpyro.distributions` leaves a package without
# its submodules as attributes; loading NumPyro first avoids that.
import numpyro as _numpyro  # noqa: F401
