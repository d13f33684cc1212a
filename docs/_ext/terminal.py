"""Two directives for pages with commands: `file` leaves a file in the page's own folder, `run` types commands there.

    ```{file} counts.csv
    y
    3
    ```

    ```{run}
    credo data=csv data.path=counts.csv data.target=y model=gaussian
    ```

A page shows what was typed and what came. The build fails where a command ends with another exit code than `:exit:`.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.directives.code import container_wrapper
from sphinx.util.docutils import SphinxDirective

WORK = "runs"
"""The folder of all pages' folders, in the build's folder beside the site."""

EXAMPLE_ROWS = 5
LANGUAGES = {".py": "python", ".yaml": "yaml", ".json": "json"}


class File(SphinxDirective):
    """A file by its name; without content, the file of this name beside the page, of which the first rows are shown."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Write the file, and show it under its name."""
        name = self.arguments[0]
        place = _folder(self) / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if self.content:
            text = "\n".join(self.content) + "\n"
            place.write_text(text, encoding="utf-8")
        else:
            source = Path(self.env.doc2path(self.env.docname)).parent / name
            self.env.note_dependency(str(source))
            shutil.copy(source, place)
            lines = source.read_text(encoding="utf-8").splitlines()
            text = "\n".join([*lines[: EXAMPLE_ROWS + 1], "..."])
        block = _block(self, text, LANGUAGES.get(Path(name).suffix, "text"))
        return [container_wrapper(self, block, f"`{name}`")]


class Run(SphinxDirective):
    """Commands of a shell, one after another, with what they print."""

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"exit": directives.nonnegative_int, "last": directives.positive_int}

    def run(self) -> list[nodes.Node]:
        """Run the commands, and show them with what they print on stdout or, where that is nothing, on stderr.

        Raises:
            DirectiveError: their exit code is another one than is expected.
        """
        typed = "\n".join(self.content)
        words = ["/bin/bash", "-e", "-c", typed]
        done = subprocess.run(words, cwd=_folder(self), capture_output=True, text=True, check=False)  # noqa: S603 - ours
        expected = self.options.get("exit", 0)
        if done.returncode != expected:
            raise self.error(f"{typed}\nended with {done.returncode}, not {expected}:\n{done.stdout}{done.stderr}")
        lines = (done.stdout.rstrip() or done.stderr.rstrip()).splitlines()
        if (last := self.options.get("last")) and len(lines) > last:
            lines = ["...", *lines[-last:]]
        shown = [_block(self, typed, "shell")]
        if lines:
            shown.append(_block(self, "\n".join(lines), "text", "printed"))
        return shown


def _block(directive: SphinxDirective, text: str, language: str, *classes: str) -> nodes.literal_block:
    block = nodes.literal_block(text, text, classes=list(classes))
    block["language"] = language
    directive.set_source_info(block)
    return block


def _folder(directive: SphinxDirective) -> Path:
    """The page's folder, new whenever the page is read."""
    env = directive.env
    folder = Path(env.app.outdir).parent / WORK / env.docname
    if not env.temp_data.get("terminal"):
        env.temp_data["terminal"] = True
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    return folder


def setup(app: Sphinx) -> dict[str, bool]:
    """Let Sphinx know both."""
    app.add_directive("file", File)
    app.add_directive("run", Run)
    return {"parallel_read_safe": True}
