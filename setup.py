"""What pyproject.toml cannot say: the workflow's own definitions go into the package."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# Those that spml.library reads.
DEFINITIONS = ("config/datasets.yaml", "config/methods.yaml", "config/protocols.yaml")


class BuildWithDefinitions(build_py):
    """Builds the package with these files in it; an editable one reads them where they are."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "spml", "config")
            target.mkdir(parents=True, exist_ok=True)
            for name in DEFINITIONS:
                self.copy_file(name, str(target))

    def get_source_files(self) -> list[str]:
        """What a source distribution holds."""
        return [*super().get_source_files(), *DEFINITIONS]


setup(cmdclass={"build_py": BuildWithDefinitions})
