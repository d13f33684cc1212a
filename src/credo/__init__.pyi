from credo.errors import ConfigError as ConfigError
from credo.errors import CredoError as CredoError
from credo.errors import RunError as RunError
from credo.python.calibration import Calibration as Calibration
from credo.python.calibration import calibrate as calibrate
from credo.python.comparison import Comparison as Comparison
from credo.python.comparison import compare as compare
from credo.python.run import Run as Run
from credo.python.run import compose as compose
from credo.python.run import load as load
from credo.python.run import run as run
from credo.python.sweep import Sweep as Sweep
from credo.python.sweep import sweep as sweep

__version__: str
