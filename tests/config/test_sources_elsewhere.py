"""What Hydra knows of credo in the processes of a launcher, which get its singletons and look for plug-ins anew."""

import sys

from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.singleton import Singleton

from credo.cli import main
from credo.config.sources import TypedSource


def test_singletons_go_to_the_process_of_a_launcher() -> None:
    main.register()
    instances, modules = Singleton._instances, dict(sys.modules)  # Hydra imports its plug-ins anew
    try:
        Singleton.set_state(Singleton.get_state())
        assert SourcesRegistry.instance().resolve("file") is TypedSource
    finally:
        Singleton._instances = instances
        sys.modules.update(modules)
